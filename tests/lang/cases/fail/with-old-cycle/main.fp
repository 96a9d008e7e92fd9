set = { a = 1, b = a }
result = set.with(old => { a = old.b + 1 })
