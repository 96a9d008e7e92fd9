result = filter([1], "x")
