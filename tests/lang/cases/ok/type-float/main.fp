f(x: float) = x
result = f(1.5)
