# Environment variables, as shells, builds and containers take them.

# Variables as strings. Each name must be valid in every shell, because it may be written into a script.
# field: the caller's field to name in an error.
checked(field, env) = texts(field, named(field, "[A-Za-z_][A-Za-z0-9_]*", env))

# The same for programs only: some read names such as `discovery.type`, which are not valid in a shell.
checked-for-programs(field, env) = texts(field, named(field, "[A-Za-z_][A-Za-z0-9_.-]*", env))

# A record with the texts of its values.
texts(field, values) = map-record(values, (name, value) => text-of(field, name, value))

text-of(field, name, value) =
  let kind = type(value) in
  if contains(["null", "list", "function"], kind) then
    error("`${name}` in `${field}` is text, and this is ${if kind == "null" then kind else "a ${kind}"}", name)
  else "${value}"

named(field, pattern, env) =
  let wrong = [n for n in names(env) if match(n, pattern) == null] in
  if wrong == [] then env
  else error("${to-json(head(wrong))} cannot be the name of a variable: write letters, digits and _", field)
