# Environment variables, as shells, builds and containers take them.

# Variables as strings. Each name must be valid in every shell, because it may be written into a script.
# field: the caller's field to name in an error.
checked(field, env) = map-record(named(field, "[A-Za-z_][A-Za-z0-9_]*", env), (_, value) => "${value}")

# The same for programs only: some read names such as `discovery.type`, which are not valid in a shell.
checked-for-programs(field, env) = map-record(named(field, "[A-Za-z_][A-Za-z0-9_.-]*", env), (_, value) => "${value}")

named(field, pattern, env) =
  let wrong = [n for n in names(env) if match(n, pattern) == null] in
  if wrong == [] then env
  else error("${to-json(head(wrong))} cannot be the name of a variable: write letters, digits and _", field)
