result = substring("abc", 2, 1)
