result = container { packages = "postgres" }
