result = [substring("abcdef", 1, 3), substring("abc", 0, 99), substring("abc", 2, 2), substring("größe", 2, 4)]
