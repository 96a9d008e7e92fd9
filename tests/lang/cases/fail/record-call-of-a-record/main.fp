base = { a = 1 }
result = base { b = 2 }
