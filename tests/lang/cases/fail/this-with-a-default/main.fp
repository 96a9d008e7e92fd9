result = { port = 80, url = this.port or 1 }
