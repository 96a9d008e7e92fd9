f(x: null | int = null) = x
result = [f(), f(null), f(3)]
