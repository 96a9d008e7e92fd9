r = { b = 2, a = 1 }
result = {
  all-names = names(r)
  all-values = values(r)
  tested = [has(r, "a"), has(r, "z")]
  got = [get(r, "a"), get(r, "z", 0)]
  removed = [remove(r, "a"), remove(r, ["a", "b"])]
  mapped = map-record(r, (name, value) => "${name}${value}")
  made = to-record([{ name = "x", value = 1 }, { name = "y z", value = 2 }])
  merged = merge({ a = { b = 1, c = 2 }, d = 1 }, { a = { c = 3 }, e = 2 }, { d = { f = 1 } })
}
