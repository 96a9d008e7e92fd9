result = [None, 1]
