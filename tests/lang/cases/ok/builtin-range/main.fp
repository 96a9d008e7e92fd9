result = [range(3), range(2, 5), range(0), range(5, 2), range(-1, 1)]
