environment = { name = "development", domain = "localhost", replicas = 1, log = "debug" }
