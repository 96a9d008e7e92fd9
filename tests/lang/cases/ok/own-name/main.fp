name = "app"
make({ name, libs = [], env = {} }) = { name, libs, env }
f({ name }) = make { name = "x-${name}" }
g({ libs = [] }) = make { name = "g", libs = [...libs, "z"] }
h({ env }) = make { name = "h", env = { ...env, A = "1" } }
short(text) = substring(text, 0, 3)
nested = { name = "in ${name}", inner = { name = "in ${name}" } }
result = {
  function = f({ name = "a" })
  changed = f({ name = "a" }).with { name = "b" }
  list = g { libs = ["m"] }
  record = h { env = { B = "2" } }
  argument = [{ version = short(version) } for version in ["1.2.3", "2.0.1"]]
  choice = (version => { version = if version == "" then "0" else version })("7")
  let-name = let n = 1 in let n = n + 1 in n
  nested
  renamed = nested.inner
  again = nested.with { name = "z" }
  alone = { name = name }
  builtin = { length = length([1, 2]), text = text("a", "b").kind }
  later = { a = { b = 1, c = a.b }, even(n) = if n == 0 then true else !even(n - 1) }.even(4)
  method = (version => { version = "1", tag = "t" }.with { version = "${version}-1" })("5")
}
