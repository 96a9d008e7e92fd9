result = derivation { kind = "text", name = "x", text = secret("TOKEN") }
