# A change goes to the outermost function that has the field; others get what is left.
thing({ name, version, strip = true, flags: list = [] }) = { type = "thing", name, version, strip, flags }
make({ jobs = 1, ...given }) = thing { ...given, flags = [...given.flags or [], "-j${jobs}"] }
library({ name, version }) = let full = "lib-${name}" in make { name = full, version, flags = ["-fPIC"] }
ours(name) = let made = library { name, version = "1" } in made
z = library { name = "z", version = "1" }
result = [
  z.with { strip = false },
  z.with { strip = false }.with { version = "2" },
  z.with(old => { flags = [...old.flags, "-g"], version = old.version + "1", jobs = 4 }),
  ours("y").with { name = "x", strip = false },
  z.extend { homepage = "here" }.with { version = "3" },
]
