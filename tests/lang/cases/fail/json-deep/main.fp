nest(n) = if n == 0 then "" else "[" + nest(n - 1)
result = from-json(nest(20000))
