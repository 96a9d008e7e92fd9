xs = [1]
result = xs[0]
