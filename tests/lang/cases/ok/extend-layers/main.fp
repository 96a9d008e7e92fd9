# An extension sees the set before it and the finished one; earlier extensions see what later ones change.
set = { a = 1, b = a + 1 }
first(old, new) = { a = old.a + 10, c = new.b * 100 }
second = { b = 7 }
result = [set.extend(first), set.extend(first).extend(second), set.extend(first).extend(old => { c = old.c + 1 }), set.extend(first).with { a = 0 }]
