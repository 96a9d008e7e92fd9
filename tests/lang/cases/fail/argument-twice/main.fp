greet(name) = name
result = greet("Ann", name = "Bob")
