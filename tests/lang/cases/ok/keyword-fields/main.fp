r = { if = 1, then = 2, in = 3, or = 4 }
result = [r.if, r.then, r.in, r.or]
