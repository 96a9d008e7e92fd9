f(a, a) = a
result = f(1, 2)
