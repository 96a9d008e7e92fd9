result = derivation { kind = "x", name = "y", deep = { ratio = 1.5 } }
