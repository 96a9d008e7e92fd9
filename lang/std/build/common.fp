# Functions that the build systems share.

# The Debian packages of these names, from the release of the package's own tools and libraries.
debian-tools(given, names) =
  let all = import("fpack/debian-package").of-release(release-of(given), arch-of(given)) in
  [get(all, name) for name in names]

# The release of the package's own tools and libraries.
release-of(given) =
  let
    listed = [...given.tools or [], ...given.libs or [], ...given.runtime or []]
    debian = [p for p in listed if !has(p, "out")]
    built = [p for p in listed if has(p, "out")]
  in import("fpack/package").release-of(given.release or null, debian, built)

# The architecture for which a package is built.
arch-of(given) =
  let platform = given.platform or null in
  if platform == null then settings.arch or "" else import("fpack/platform").of(platform).arch

# The same for another architecture, if `cross` is not null: see `cross.fp`.
with-defaults-across(cross, given, names, defaults) =
  if cross == null then with-defaults(given, names, defaults)
  else
    let
      across = import("./cross.fp")
      crossed = across.arguments(cross, given, names)
    in evaluate(join([p.name for p in crossed.tools], ""), with-defaults(crossed, names, {
      ...defaults
      configure = across.prepare(cross) + (defaults.configure or "")
      env = { ...across.variables(cross), ...defaults.env or {} }
    }))

# A package with the tools and phases of a build system; the user's arguments have precedence.
with-defaults(given, names, defaults) =
  package {
    ...defaults
    ...given
    tools = [...given.tools or [], ...debian-tools(given, names)]
    runtime = [...given.runtime or [], ...defaults.runtime or []]
    env = { ...defaults.env or {}, ...given.env or {} }
  }

# Flags are shell words: they may use $out and other variables of the phases.
words(flags) = join([if f == "" then f else " ${f}" for f in flags], "")
