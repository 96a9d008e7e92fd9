name = "x"
result = { name, name = "y" }
