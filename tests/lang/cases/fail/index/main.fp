result = get([1, 2], 5)
