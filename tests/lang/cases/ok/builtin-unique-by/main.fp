packages = [{ name = "z", n = 1 }, { name = "m", n = 2 }, { name = "z", n = 3 }]
result = [
  map(unique-by(packages, p => p.name), p => p.n),
  unique-by([1, -1, 2, 2.0], n => n * n),
  unique-by([[1, "a"], [1, "b"], ["1", "c"]], head),
  map(unique-by([{ k = [1, 2], v = "a" }, { k = [1, 2], v = "b" }, { k = [1, { x = 1 }], v = "c" }], p => p.k), p => p.v),
  # An element is evaluated only where those before it are equal.
  length(unique([[1, error("never")], [2, error("never")]])),
  length(unique([{ a = 1, b = error("never") }, { a = 2, b = error("never") }])),
]
