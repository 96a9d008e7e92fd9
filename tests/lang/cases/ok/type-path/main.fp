f(x: path) = type(x)
result = f(./main.fp)
