result = {
  deep = merge({ a = { x = 1, y = 1 }, b = 1 }, { a = { y = 2 } }, { c = 3 })
  nothing = merge()
  derivation-is-whole = merge({ a = { type = "x", b = 1 } }, { a = { type = "x", c = 2 } })
}
