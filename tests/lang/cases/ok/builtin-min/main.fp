result = [min(3, 1, 2), min([2.5, 3]), min("b", "a"), min(7, 7)]
