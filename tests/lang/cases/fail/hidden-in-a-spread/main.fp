app({ name }) = { ...{ id = name }, name = "b" }
result = app { name = "a" }
