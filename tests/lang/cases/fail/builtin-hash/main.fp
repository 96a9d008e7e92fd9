result = hash("a", "sha3")
