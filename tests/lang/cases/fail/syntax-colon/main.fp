result = { a: 1 }
