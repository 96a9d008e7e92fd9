result = unique-by([1, 2], "name")
