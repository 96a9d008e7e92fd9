# What the build systems share.

# The Debian packages of those names, of the release that a package's own tools and libraries are of.
debian-tools(given, names) =
  let
    listed = [...given.tools or [], ...given.libs or [], ...given.runtime or []]
    debian = [p for p in listed if !has(p, "out")]
    built = [p for p in listed if has(p, "out")]
    release = import("fpack/package").release-of(given.release or null, debian, built)
    all = get(import("fpack/debian"), release)
  in [get(all, name) for name in names]

# A package with a build system's tools and phases; what the user gave comes first.
with-defaults(given, names, defaults) =
  package {
    ...defaults
    ...given
    tools = [...given.tools or [], ...debian-tools(given, names)]
    runtime = [...given.runtime or [], ...defaults.runtime or []]
    env = { ...defaults.env or {}, ...given.env or {} }
  }

# Flags are words of the shell: they may use $out and what else the phases have.
words(flags) = join([if f == "" then f else " ${f}" for f in flags], "")
