x = 1
result = x or 2
