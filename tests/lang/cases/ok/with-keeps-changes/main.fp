base = { a = 1, b = a + 1, c = b + 1 }
result = [base.with { a = 10 }.with { b = 0 }, base.with { b = 0 }.with { a = 10 }, base.extend { d = 1 }.with { a = 2 }]
