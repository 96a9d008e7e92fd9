port = "80 "
result = to-int(port)
