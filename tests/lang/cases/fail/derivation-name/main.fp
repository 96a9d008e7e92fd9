result = derivation { kind = "x", name = "a b" }
