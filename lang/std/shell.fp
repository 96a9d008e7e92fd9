# Developer shells: the same packages that builds and images are made of, as a place to work.

# packages: Debian packages and built ones. env: variables. hook: what bash runs at the start.
# include: other shells, whose packages, variables, hooks and services come first.
# services: { NAME = service { ... } }, started with the shell and stopped with it.
# rules, drop, release, alternatives: as for a container. base: what every shell has, by name; null: bash and the usual
# tools.
shell({
  packages: list = [],
  env: record = {},
  hook: string = "",
  include: list = [],
  services: record = {},
  name: string | null = null,
  rules: record = {},
  drop: list | null = null,
  release: string | null = null,
  alternatives: record = {},
  base: list | null = null,
}) =
  let
    others = [included(s) for s in include]
    all-packages = [...flatten([s.packages for s in others]), ...packages]
    listed = [checked(p) for p in all-packages]
    built = [p for p in listed if is-built(p)]
    wanted = [...[p for p in listed if !is-built(p)], ...needed-by(built)]
    the-release = one-release(release, wanted, built)
    named = if base == null then usual else base
    # What is listed keeps its own rule.
    added = [n for n in named if !any(wanted, p => p.name == n)]
    whole = [...unique-by-name(wanted), ...[get(get(import("fpack/debian"), the-release), n) for n in added]]

    the-name = if name != null then name else if listed == [] then "shell" else name-of(head(listed))
    programs = join(["${p.out}/bin" for p in unique-by-path([...built, ...tools-of(built)])], ":")
    own-variables = import("fpack/variables").checked("env", env)
    variables = merged([s.env for s in others], own-variables)
    hooks = [h for h in [...[s.hook for s in others], hook] if h != ""]
    the-hook = join(hooks, "\n")
    all-services = merged([s.services for s in others], map-record(services, (n, s) => checked-service(n, s)))
    leaves = if drop != null then drop else documentation(wanted)
    enter = import("fpack/text").text("enter", entry-script(the-name, the-hook), true)

    packed = import("fpack/container").container {
      name = the-name
      tag = "shell"
      packages = [...whole, ...built]
      release = the-release
      closure = "depends"
      drop = leaves
      entrypoint = ["/usr/local/bin/fpack-enter"]
      command = ["/bin/bash"]
      workdir = "/work"
      env = {
        ...variables
        PATH = if programs == "" then search-path else "${programs}:${search-path}"
      }
      files = { "/usr/local/bin/fpack-enter" = { source = enter, mode = "0755" } }
      directories = { "/work" = { mode = "1777" } }
      run-options = ["-it", "-v .:/work"]
      rules, alternatives
    }
  in evaluate(own-variables, {
    type = "shell"
    name = the-name
    packages = all-packages
    env = variables
    hook = the-hook
    services = all-services
    release = the-release
    root = packed.root
    image = packed
    # What is to be in the store for it, besides the root: what its variables and its hook mention.
    paths = mentions([built, tools-of(built), variables, the-hook])
    search = programs
    usual-names = named
  })

# A program that runs beside a shell, as long as that is open: a database, a queue.
# It has a root of its own, of packages or of an image. start: what sh runs, in the foreground. prepare: what it runs before, for example
# to make an empty database. ready: what succeeds as soon as it can be used. stop: the signal that ends it.
# env: its variables; exports: the shell's. In both, and in scripts as variables, $DATA is a directory that stays with
# the project, $RUN a short-lived one whose path is short, for sockets. ports: of 127.0.0.1 that it listens on.
service({
  start: string,
  packages: list = [],
  image: record | null = null,
  prepare: string = "",
  ready: string = "true",
  stop: string = "SIGTERM",
  env: record = {},
  exports: record = {},
  ports: list = [],
  seconds: int = 60,
  rules: record = {},
}) =
  let
    variables = import("fpack/variables").checked("env", env)
    inside = shell { name = "service", env = variables, packages, rules }
    offered = import("fpack/variables").checked("exports", exports)
    numbers = [checked-port(p) for p in ports]
  in evaluate(variables, evaluate(offered, {
    type = "service"
    root = if image == null then inside.root else image.root
    paths = mentions([inside.paths, start, prepare, ready])
    search = inside.search
    env = inside.env
    exports = offered
    start, prepare, ready, stop, seconds
    ports = numbers
  }))

# The shell of `fpack shell debian.trixie.gcc debian.trixie.make`.
shell-of(packages) = shell { packages }

# What every shell has. Editors have servers of their own in it, which load the C++ library.
usual = [
  "bash", "bash-completion", "ca-certificates", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip",
  "hostname", "less", "libc-bin", "libstdc++6", "mawk", "ncurses-base", "ncurses-bin", "netbase", "procps", "sed",
  "tar",
]

search-path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games"

# Completions stay, for those who type; manuals stay with the program that shows them.
documentation(packages) = [
  "/usr/share/doc", "/usr/share/info", "/usr/share/lintian", "/usr/share/bug", "/usr/share/doc-base",
  "/usr/share/locale", "/var/cache/**", "/etc/cron*", "/etc/init.d", "/usr/lib/systemd", "/usr/lib/tmpfiles.d",
  "/usr/lib/sysusers.d",
  ...if any(packages, p => p.name == "man-db") then [] else ["/usr/share/man"],
]

# ---- what is listed

is-built(p) = has(p, "out")

checked(p) =
  let kind = if type(p) == "record" then p.type or (if has(p, "out") then "derivation" else "record") else type(p) in
  if kind == "package" || kind == "derivation" then p
  else error("`packages` takes packages, and this is a ${kind}", "packages")

included(s) =
  let kind = if type(s) == "record" then s.type or "record" else type(s) in
  if kind == "shell" then s else error("`include` takes shells, and this is a ${kind}", "include")

checked-service(name, s) =
  let kind = if type(s) == "record" then s.type or "record" else type(s) in
  if match(name, "[A-Za-z0-9_][A-Za-z0-9_-]*") == null then error("${name} is no name for a service", name)
  else if kind == "service" then s
  else error("The service ${name} is made with service { ... }, and this is a ${kind}", name)

checked-port(p) =
  if type(p) == "int" && p > 0 && p < 65536 then p else error("`ports` takes numbers from 1 to 65535", "ports")

# A shell's `/` is of one release of Debian.
one-release(given, debian, built) =
  let
    asked = if given == null then [] else [given]
    releases = unique([...asked, ...[p.release for p in debian], ...[p.release for p in built if has(p, "release")]])
  in
    if releases == [] then "trixie"
    else if length(releases) == 1 then head(releases)
    else error("A shell's packages are of one release, and these are of ${join(sort(releases), " and ")}", "packages")

# Debian packages that built ones load and run.
needed-by(built) =
  if built == [] then []
  else [p for p in import("fpack/package").with-their(further, built) if !is-built(p)]

# Built packages that built ones run.
tools-of(built) =
  if built == [] then []
  else [p for p in import("fpack/package").with-their(p => p.runtime or [], built) if is-built(p)]

further(p) = [...(p.runtime or []), ...(p.libs or [])]

unique-by-name(packages) = import("fpack/package").first-of(packages, p => p.name)
unique-by-path(packages) = import("fpack/package").first-of(packages, p => p.out)

name-of(p) = import("fpack/container").name-of({ name = get(p, "name", "shell") })

merged(before, last) = fold([...before, last], {}, (all, more) => { ...all, ...more })

# ---- the image

# What a container of the shell's image begins with.
entry-script(name, hook) = """
  #!/bin/bash
  export FPACK_SHELL='${name}'
  if [ -t 0 ]; then
    export PS1='[${name}] \\u@\\h:\\w\\$ '
  fi
  ${hook}
  exec "$@"
"""
