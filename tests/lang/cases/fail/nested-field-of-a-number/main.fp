set = { a = 1 }
result = set.with { a.b = 2 }.a
