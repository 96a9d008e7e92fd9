result = starts-with(["a"], "a")
