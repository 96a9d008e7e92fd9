greet(name) = name
options = { name = "a", shout = true }
result = greet(...options)
