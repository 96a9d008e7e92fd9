f(x) = { a = x }
result = f.a
