result = { port = outer.port }
