result = {
  element = get([5, 6], 1)
  field = get({ a = 1 }, "a")
  missing = get([5], 7, "none")
  no-field = get({ a = 1 }, "b", "none")
  null-stays = get({ a = null }, "a", "none")
  default-unused = get([1], 0, error("never"))
}
