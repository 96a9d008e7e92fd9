result = read-toml(./pyproject.toml).project
