result = find-all("abc", "*")
