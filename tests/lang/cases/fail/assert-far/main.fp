check(port) = assert port < 65536, "a port is at most 65535, and this is ${port}" in port
web = { ports = [check(80), check(70000)] }
result = web
