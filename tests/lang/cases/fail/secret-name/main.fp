result = secret("not a name")
