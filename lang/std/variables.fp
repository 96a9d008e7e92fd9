# Environment variables, as shells, builds and containers take them.

# Variables as text. Each name is one that every shell takes: it may be written into a script.
# field: the caller's field that is to blame.
checked(field, env) = map-record(named(field, "[A-Za-z_][A-Za-z0-9_]*", env), (_, value) => "${value}")

# The same for programs alone: some read names such as `discovery.type`, which no shell can write.
checked-for-programs(field, env) = map-record(named(field, "[A-Za-z_][A-Za-z0-9_.-]*", env), (_, value) => "${value}")

named(field, pattern, env) =
  let wrong = [n for n in names(env) if match(n, pattern) == null] in
  if wrong == [] then env
  else error("${to-json(head(wrong))} cannot be the name of a variable: write letters, digits and _", field)
