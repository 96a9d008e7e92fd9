result = { length = 1, n = length([1]) }
