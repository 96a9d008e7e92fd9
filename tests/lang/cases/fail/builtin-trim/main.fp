result = trim(5)
