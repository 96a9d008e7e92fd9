# A change with `a.b = 1` changes a field of `a`, in whatever form the change is given.
set = { a = { b = 0, c = 2 }, d = a.b }
make({ a }) = { a, d = a.b }
made = make { a = { b = 0, c = 2 } }
layer = { a.b = 1 }
called({ value }) = { a.b = value }
through(change) = set.with(change)
same = [
  set.with { a.b = 1 },
  set.extend { a.b = 1 },
  set.with({ a.b = 1 }),
  set.extend({ a.b = 1 }),
  set.with(old => { a.b = old.a.b + 1 }),
  set.extend((old, new) => { a.b = 1 }),
  set.extend(old => let one = 1 in if old.a.b == 0 then { a.b = one } else {}),
  set.with(layer),
  set.extend(layer),
  set.extend(called { value = 1 }),
  set.extend(import("./layers/file.fp")),
  set.extend(import("./layers/function.fp").layer),
  fold([layer, { e = 1 }], set, (s, l) => s.extend(l)) |> (s => { a = s.a, d = s.d }),
  through { a.b = 1 },
  { ...set, a.b = 1 },
  made.with({ a.b = 1 }),
  made.with(layer),
  made.extend(old => { a.b = 1 }),
]
result = {
  all = unique(same)
  later = set.extend({ x = 1, a.b = x }).extend { x = 5 }.d
  deeper = { a = { b = { c = 1, d = 2 }, e = 3 } }.with({ a.b.c = 9 })
  added = { a = {} }.extend({ a.b = 1 }).extend({ a.c = 2 })
  equal = layer == { a = { b = 1 } }
  # Beside a spread, the field of the spread record is changed, and that below if the spread record has none.
  beside = [set.extend { ...{ z = 1 }, a.b = 2 }, set.extend({ ...{ z = 1 }, a.b = 2 }), set.extend(old => { a.b = 2, ...{ z = 1 } })]
  spread = [set.with { ...{ a = { q = 1 } }, a.b = 2 }, set.with(old => { ...{ a = { q = 1 } }, a.b = 2 })]
  replaced = [set.with { a.b = 2, ...{ a = { b = 1 } } }, set.with({ a.b = 2, ...{ a = { b = 1 } } })]
}
