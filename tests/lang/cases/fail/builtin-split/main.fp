result = split("abc", "")
