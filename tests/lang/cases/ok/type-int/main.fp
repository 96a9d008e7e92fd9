f(x: int) = x
result = f(-5)
