result = container { packages = [debian.dash] }
