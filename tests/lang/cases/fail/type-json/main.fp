result = { ports: [80, 443] }
