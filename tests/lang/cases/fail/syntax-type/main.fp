f(a: str) = a
result = f("x")
