f(x: derivation | string) = "${x}" != ""
result = [f(text("a", "b")), f("s")]
