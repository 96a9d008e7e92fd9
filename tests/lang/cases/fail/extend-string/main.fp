result = "set".extend { a = 1 }
