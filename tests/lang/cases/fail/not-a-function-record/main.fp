settings-of = { a = 1 }
result = settings-of { a = 2 }
