port = 0
assert port > 0, "the port is positive"
result = port
