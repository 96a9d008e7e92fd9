result = derivation { kind = "text", name = "a", outputs = ["out", "out"] }
