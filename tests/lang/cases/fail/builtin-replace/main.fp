result = replace("abc", "", "x")
