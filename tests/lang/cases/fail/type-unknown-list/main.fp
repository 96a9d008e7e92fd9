f(a: [strings]) = a
result = f([])
