result = read-toml(./project.toml).project
