result = [max(3, 1, 2), max([2.5, 3]), max(["b", "a"])]
