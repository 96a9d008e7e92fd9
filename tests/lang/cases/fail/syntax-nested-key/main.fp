a.b = 1
result = a
