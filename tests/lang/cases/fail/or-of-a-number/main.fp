n = 5
result = n.x or 1
