# The compiled dependencies of a project, as derivations of their own. An edit of the project's code leaves them
# as they are. With them and without them the result is the same: they hold what the compiler would make again.

# The part of the source on which its dependencies depend. Null if the source is no directory of the project, or if
# something changes it before it is compiled: then all is compiled together.
skeleton(given, language, others) =
  let
    source = given.source or null
    changed = [n for n in ["unpack", "patch", "configure"] if has(given, n)]
  in
    if !is-edited(source) || (given.patches or []) != [] || changed != [] then null
    else derivation { kind = "skeleton", name = "skeleton", source = "${source}", language, ...others }

is-edited(source) =
  if type(source) == "path" then match("${source}", archive) == null
  else type(source) == "record" && (source.kind or "") == "source"

archive = ".*\\.(?:tar|tar\\.[a-z0-9]+|t[a-z]z2?|zip|crate|gem|whl)"

# The package of what is compiled from a skeleton: its tools, libraries and variables are those of the project.
compiled(given, name, tools, others) = compiled-across(null, given, name, tools, others)

compiled-across(cross, given, name, tools, others) =
  import("./common.fp").with-defaults-across(
    cross,
    {
      ${n} = get(given, n)
      for n in ["tools", "libs", "runtime", "env", "folder", "release", "platform"]
      if has(given, n)
    },
    tools,
    { name, version = "0", patch = null, fixup = null, strip = false, ...others },
  )
