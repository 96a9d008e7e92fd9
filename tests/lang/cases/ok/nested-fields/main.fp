# `a.b = 1` is a field of a field; in a change, the other fields of `a` stay.
service.name = "web"
service.limits.memory = 512
service."log level" = "info"
base = { version = "1", env = { A = "a-${version}", B = A }, limits = null, of.it.all = 1 }
make({ name, env = { P = name } }) = { type = "thing", name, env }
result = {
  service
  changed = base.with { env.A = "x", limits.seconds = 5, of.it.all = 2 }
  later = base.with { env.C = "c" }.with { version = "2" }
  spread = { ...base, env.C = "c", version = "3" }
  again = { ...base, env.C = "c" }.extend { version = "4", env.D = "d" }
  default = (make { name = "n" }).with { env.Q = "q" }.with { name = "m" }
  given = (make { name = "n", env.X = "x" }).with { env.Q = "q" }
  within = let a.b = 1, a.c = a.b + 1 in a
}
