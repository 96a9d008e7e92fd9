lib = derivation { kind = "thing", name = "lib", outputs = ["out", "dev"] }
user = derivation { kind = "thing", name = "user", headers = lib.dev }
result = [
  ends-with("${lib.dev}", "-lib-dev"), ends-with("${lib}", "-lib"), inputs(user) == [lib.dev.out],
  lib.dev.type == "derivation", lib.dev.name == "lib-dev", lib.dev.with { name = "other" }.name == "other-dev",
]
