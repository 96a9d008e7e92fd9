result = map([1, 2], (i, x) => x)
