key = "a"
result = { a = 1, ${key} = 2 }
