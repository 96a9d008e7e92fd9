result = map([1])
