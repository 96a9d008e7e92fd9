name = "outer", port = 80
result = { name, port, inner = { name, deep = { port } } }
