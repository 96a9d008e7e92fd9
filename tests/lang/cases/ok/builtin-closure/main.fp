z    = { name = "z", libs = [] }
ssl  = { name = "ssl", libs = [z] }
http = { name = "http", libs = [z, ssl] }
app  = { name = "app", libs = [z, ssl, http, { name = "z", libs = [error("never: a `z` is there already")] }] }
# A set in which packages need each other.
cycle = { a = { name = "a", libs = [b] }, b = { name = "b", libs = [a, c] }, c = { name = "c", libs = [a] } }
result = [
  map(closure([app], p => p.libs, p => p.name), p => p.name),
  map(closure(values(cycle), p => p.libs, p => p.name), p => p.name),
  closure([12, 12.0], n => if n > 1 then [n / 2, n / 3] else []),
  closure([], n => error("never")),
  closure([[1, 2]], xs => if xs == [] then [] else [tail(xs)]),
]
