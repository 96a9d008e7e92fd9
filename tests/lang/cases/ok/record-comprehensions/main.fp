result = {
  squares = { ${"n${x}"} = x * x for x in [1, 2, 3] }
  swapped = { ${v} = k for k, v in { a = "x", b = "y" } if k != "b" }
  quoted = { "k-${i}" = i for i in range(2) }
}
