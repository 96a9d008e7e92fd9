app(name) = { name = "b", inner = { name = "c", id = "i-${name}" } }
result = app("a")
