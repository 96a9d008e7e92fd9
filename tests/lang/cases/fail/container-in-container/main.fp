base = container { name = "base", tag = "1", packages = [] }
result = container { packages = [base] }.image
