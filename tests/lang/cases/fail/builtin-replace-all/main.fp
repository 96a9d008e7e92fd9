result = replace-all("abc", "[a", "x")
