# Functions that the build systems share.

# The Debian packages of these names, from the release of the package's own tools and libraries.
debian-tools(given, names) =
  let
    listed = [...given.tools or [], ...given.libs or [], ...given.runtime or []]
    debian = [p for p in listed if !has(p, "out")]
    built = [p for p in listed if has(p, "out")]
    release = import("fpack/package").release-of(given.release or null, debian, built)
    all = import("fpack/debian-package").of-release(release, arch-of(given))
  in [get(all, name) for name in names]

# The architecture for which a package is built.
arch-of(given) =
  let platform = given.platform or null in
  if platform == null then settings.arch or "" else import("fpack/platform").of(platform).arch

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
