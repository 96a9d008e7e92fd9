listen(port: int | string) = port
result = listen(port = null)
