name
result = 1
