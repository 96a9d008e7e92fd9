nest(x) = [nest(x)]
result = to-json(nest(1))
