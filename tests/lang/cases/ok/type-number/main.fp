f(x: number) = x
result = [f(1), f(1.5)]
