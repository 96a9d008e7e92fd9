result = unique("aab")
