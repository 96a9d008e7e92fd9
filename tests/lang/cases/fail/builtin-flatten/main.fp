result = flatten([[1], 2])
