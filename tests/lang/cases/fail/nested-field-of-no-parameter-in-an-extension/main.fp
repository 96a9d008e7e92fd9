app({ name, version = "1" }) = make { name = "${name}-app", version }
set = { a = app { name = "a" } }
shown = set.extend { a.name = "b", a.version = "2" }.a.version
result = set.extend { a.vrsion = "2" }.a.version
