a = { c = 9 }
r = { a = { b = 1, c = 2 } }
result = { ...r, a.b = 3, d = a.c }
