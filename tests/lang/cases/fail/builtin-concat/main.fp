result = concat([1], 2)
