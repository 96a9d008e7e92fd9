result = {
  numbers = sort([3, -1, 2.5])
  strings = sort(["b", "B", "a", "ä"])
  by-key = sort([{ n = 2 }, { n = 1 }], r => r.n)
  stable = sort(["bb", "aa", "c"], s => length(s))
  empty = sort([])
}
