result = map([null, true, 1, 1.5, "s", ./x, [], {}, x => x, import("fpack/debian").trixie.dash, text("a", "b")], x => type(x))
