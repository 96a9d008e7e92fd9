result = [replace("a.b.c", ".", ""), replace("aaa", "aa", "b"), replace("abc", "x", "y")]
