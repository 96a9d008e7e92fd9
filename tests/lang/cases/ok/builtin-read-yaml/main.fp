result = read-yaml(./compose.yaml).services
