loop = { a = loop }
result = derivation { kind = "x", name = "y", deep = loop }
