result = read-toml("pyproject.toml")
