xs = [3, 1, 2]
result = {
  mapped = map(xs, x => x + 1)
  kept = filter(xs, x => x > 1)
  folded = fold(xs, "", (text, x) => text + "${x}")
  lengths = [length(xs), length({ a = 1 }), length("grüße")]
  ends = [head(xs), tail(xs), get(xs, 1), get(xs, 9, "none")]
  ranges = [range(3), range(2, 5), range(3, 1)]
  turned = reverse(xs)
  joined = concat(xs, [4], [])
  flat = flatten([[1], [2, [3]]])
  sorted = [sort(xs), sort(["b", "a"]), sort([2, 1.5, 1]), sort([{ n = 2 }, { n = 1 }], x => x.n), sort(["bb", "a"], length)]
  once = unique([1, 2, 1, "a", "a", [1], [1], 1.0])
  zipped = zip([1, 2, 3], ["a", "b"])
  tests = [any(xs, x => x > 2), all(xs, x => x > 2), contains(xs, 2), contains("abc", "bc"), contains({ a = 1 }, "a")]
}
