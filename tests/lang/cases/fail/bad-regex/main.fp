result = match("a", "(")
