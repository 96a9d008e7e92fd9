f(x) = return x
result = f(1)
