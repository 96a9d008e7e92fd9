f(x: package) = x.name
result = [f(import("fpack/debian").trixie.dash), f({ type = "package", name = "own" })]
