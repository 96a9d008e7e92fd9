result = [{ name = "app", labels = { name } } for name in ["a", "b"]]
