greet(name, polite = true) = name
result = greet("Ann", plite = false)
