result = match("a", "[[:letter:]]")
