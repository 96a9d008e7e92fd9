result = max({ a = 1 })
