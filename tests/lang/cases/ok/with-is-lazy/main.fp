r = { a = 1, b = error("never"), c = a + 1 }
result = r.with { a = 5, b = error("never too") }.c
