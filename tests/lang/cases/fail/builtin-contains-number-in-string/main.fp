result = contains("a1", 1)
