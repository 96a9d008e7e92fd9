project = read-toml(./pyproject.toml).project
result = { name = project.name, version = project.version, dependencies = project.dependencies or [], license = project.license or null }
