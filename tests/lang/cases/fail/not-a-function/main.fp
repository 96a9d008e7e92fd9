port = 80
result = port(1)
