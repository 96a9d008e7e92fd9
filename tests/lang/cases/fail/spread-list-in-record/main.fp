xs = [1]
result = { ...xs, a = 1 }
