n = 5
result = n-1
