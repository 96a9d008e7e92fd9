a = derivation { kind = "text", name = "a", text = "x", outputs = ["out", "doc"] }
of-text = derivation-of("${a}")
result = [of-text.name, of-text.kind, of-text == derivation-of(a.out), derivation-of("${a.doc}").name]
