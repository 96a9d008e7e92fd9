result = [min(3, 1, 2), max([1, 5, 2]), min("b", "a"), abs(-3), abs(2.5)]
