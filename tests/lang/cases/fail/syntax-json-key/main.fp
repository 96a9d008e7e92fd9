result = { "a": 1 }
