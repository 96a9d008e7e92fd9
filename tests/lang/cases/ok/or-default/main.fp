r = { a = { b = null, c = 3 } }
result = [r.a.c or 0, r.a.x or 1, r.x.y.z or 2, r.a.b or 3, r.a.b.c or 4, r.x or r.y or 5, r.x or 1 + 5, r."a" or 7]
