result = derivation { kind = "x", name = "y", list = [x => x] }
