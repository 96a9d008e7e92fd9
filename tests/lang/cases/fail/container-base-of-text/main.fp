result = container { name = "app", packages = [], base = { name = "debian" } }.image
