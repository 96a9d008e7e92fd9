a = 1
result = { inherit a }
