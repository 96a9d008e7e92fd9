result = get("abc", 0)
