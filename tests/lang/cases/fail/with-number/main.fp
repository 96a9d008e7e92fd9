result = { a = 1 }.with(5)
