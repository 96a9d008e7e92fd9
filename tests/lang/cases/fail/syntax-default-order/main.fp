f(a = 1, b) = a
result = f(1, 2)
