result = names([1, 2])
