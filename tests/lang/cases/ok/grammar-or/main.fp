r = { a = { b = 1 }, n = null }
result = [r.a.b or 2, r.a.c or 2, r.x.y.z or "deep", r.n or "null stays null", r.n.x or "of null", r.x or r.y or 3, r.x or let d = 4 in d, r."a".b or 5]
