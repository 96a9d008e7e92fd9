f(a, b) = a
result = f(a = 1, 2)
