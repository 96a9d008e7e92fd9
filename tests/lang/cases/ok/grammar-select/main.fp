r = { a = { "b c" = { d = 1 } }, or = 2, let = 3, if = 4 }
key = "a"
result = [r.a."b c".d, r.${key}."b ${"c"}".d, r.or, r.let, r.if]
