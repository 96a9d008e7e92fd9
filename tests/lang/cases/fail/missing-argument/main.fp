greet(name, greeting) = "${greeting} ${name}"
result = greet("Ann")
