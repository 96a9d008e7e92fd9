result = to-int("10", 99)
