name = "outer"
result = { name = name }
