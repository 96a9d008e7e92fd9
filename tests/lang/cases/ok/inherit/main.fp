name = "outer"
result = { value = { name }, list = [{ name, more = 1 }], twice = let name = "let" in { name } }
