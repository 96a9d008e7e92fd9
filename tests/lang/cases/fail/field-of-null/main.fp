config = { port = null }
result = config.port.number
