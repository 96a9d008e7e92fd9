port = 80
result = "port " + port
