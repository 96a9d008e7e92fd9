f(n) = g(n + 1)
g(n) = 1 + f(n)
result = f(0)
