f(a) = a
result = f(..."x")
