# A record that spreads records which can be changed can be changed itself.
libs = import("./libs.fp")
apps = import("./apps.fp")
v3 = "ssl-3"
app({ name, version, url = "${name}-${version}" }) = { type = "thing", name, version, url }
one = app { name = "one", version = "1" }
result = {
  known = { ...one, version = "2" }
  later = { ...one, homepage = "x" }.with { version = "2" }
  files = { ...libs, ...apps }.extend { ssl = v3 }
  over = { ...{ a = 1, b = a + 1 }, ...{ a = 5 }, c = 0 }
  copy = { ...{ a = 1, b = 2 }, b = 3 }
  siblings = { ...{ a = 1, b = a + 1 }, c = d, d = 7 }.with { a = 2, d = 8 }
  many = { ...{ a = 1, b = a }, ${"c"} = 3 }.with { a = 9 }
}
