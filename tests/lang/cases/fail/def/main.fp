def f(x) = x
result = f(1)
