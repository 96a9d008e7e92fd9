result = range(0, 2000000)
