result = join(["a", 1], ",")
