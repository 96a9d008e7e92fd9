tls = 1
