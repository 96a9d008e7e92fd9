result = { port = 80, all = this }
