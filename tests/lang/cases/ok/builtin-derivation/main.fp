a = derivation { kind = "text", name = "a", text = "x", outputs = ["out", "doc"] }
b = derivation { kind = "text", name = "b", text = "${a}", args = { name = "as an argument" } }
result = [a.name, a.kind, a.type, starts-with("${a.doc}", "/fpack/store/"), ends-with("${b}", "-b"), inputs(b) == [a.out]]
