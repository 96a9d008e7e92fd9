result = derivation { name = "a" }
