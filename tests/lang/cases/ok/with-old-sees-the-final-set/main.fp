# `old` is the definition below a layer, and it sees the final set.
base = { a = 1, b = a + 1 }
thing({ name, version = "1", source = "src-${version}", build = "make ${version}" }) =
  { type = "thing", name, version, source, build }
one = thing { name = "one" }
result = {
  set = base.extend((old, new) => { b = old.b + 1 }).extend { a = 10 }
  default = one.with(old => { build = old.build + "x" }).with { version = "2" }
  unchanged = one.with(o => { source = o.source }).with { version = "2" }
  both = one.with(old => { build = old.build + "x", source = old.source + "y", version = "3" })
  has-default = one.with(old => { name = if has(old, "build") then old.name else "none" }).name
}
