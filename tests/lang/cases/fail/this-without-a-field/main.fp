result = { port = 80, url = "http://${this.host}:${port}" }
