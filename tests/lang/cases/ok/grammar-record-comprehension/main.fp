result = [
  { ${x} = upper(x) for x in ["a", "b"] },
  { ${k} = v for k, v in { a = 1, b = 2 } if v > 1 },
  { "${x}${y}" = [x, y] for x in ["a"] for y in ["b", "c"] },
]
