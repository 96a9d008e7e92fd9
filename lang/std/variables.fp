# Environment variables, as shells, builds and containers take them.

# Variables with names that are valid in every shell, because they may be written into a script.
# field: the caller's field to name in an error.
for-shells(field, env) = named(field, "[A-Za-z_][A-Za-z0-9_]*", env)

# The same for programs only: some read names such as `discovery.type`, which are not valid in a shell.
for-programs(field, env) = named(field, "[A-Za-z_][A-Za-z0-9_.-]*", env)

# The text of one variable. Callers map it over a record themselves, so that errors have the place of their own call.
text-of(field, name, value) =
  let kind = type(value) in
  if contains(["null", "list", "function"], kind) then
    error("`${name}` in `${field}` is text, and this is ${if kind == "null" then kind else "a ${kind}"}", name)
  else "${value}"

named(field, pattern, env) =
  let wrong = [n for n in names(env) if match(n, pattern) == null] in
  if wrong == [] then env
  else error("${to-json(head(wrong))} cannot be the name of a variable: write letters, digits and _", field)
