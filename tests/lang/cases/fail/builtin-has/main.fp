result = has({ a = 1 }, a)
a = 1
