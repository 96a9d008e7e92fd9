result = read-yaml(./compose.yml)
