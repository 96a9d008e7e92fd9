result = { a = 1 }.with { a = a + 1 }
