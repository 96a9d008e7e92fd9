result = zip([1], 2)
