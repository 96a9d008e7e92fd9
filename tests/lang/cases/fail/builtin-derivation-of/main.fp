result = derivation-of("${text("a", "x")}/bin/a")
