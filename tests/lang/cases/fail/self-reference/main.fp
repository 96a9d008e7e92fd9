result = { name = name }
