result = error(5)
