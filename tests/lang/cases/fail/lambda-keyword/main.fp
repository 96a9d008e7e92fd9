result = map([1], lambda x: x)
