result = to-int("12a")
