result = derivation("x")
