result = values({ b = 1, a = 2 })
