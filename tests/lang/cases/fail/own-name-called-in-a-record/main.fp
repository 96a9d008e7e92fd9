result = { shell = shell { packages = [] } }
