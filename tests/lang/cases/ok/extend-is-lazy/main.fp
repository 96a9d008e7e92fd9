set = { a = 1, bad = error("never") }
result = set.extend((old, new) => { b = new.a, worse = error("never"), unused = old.bad }).b
