# Developer shells: an environment of the same packages that builds and images are made of.

# packages: Debian packages and built packages. env: variables. hook: the script that bash runs at the start.
# include: other shells, whose packages, variables, hooks and services are added first.
# services: { NAME = service { ... } }, started and stopped with the shell.
# rules, drop, release, alternatives: as for a container. base: the names of the packages that every shell has; null:
# bash and the usual tools. meta: what bills of materials say of the shell's image, see `fpack/meta`. extra: anything that
# other files want to know of the shell. The shell depends on neither.
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
  meta: record = {},
  extra = {},
}) =
  let
    others = [included(s) for s in include]
    all-packages = [...flatten([s.packages for s in others]), ...packages]
    listed = [checked(p) for p in all-packages]
    built = [p for p in listed if is-built(p)]
    wanted = [...[p for p in listed if !is-built(p)], ...needed-by(built)]
    the-release = one-release(release, wanted, built)
    the-arch = import("fpack/platform").one-arch("A shell", wanted, settings.arch)
    named = if base == null then usual else base
    # A listed package keeps its own rule.
    added = [n for n in named if !any(wanted, p => p.name == n)]
    whole = [
      ...unique-by-name(wanted),
      ...[get(import("fpack/debian-package").of-release(the-release, the-arch), n) for n in added],
    ]

    the-name = if name != null then name else if listed == [] then "shell" else name-of(head(listed))
    programs = join(["${p.out}/bin" for p in unique-by-path([...built, ...tools-of(built)])], ":")
    own-variables = map-record(
      import("fpack/variables").for-shells("env", env),
      (key, value) => import("fpack/variables").text-of("env", key, value),
    )
    variables = merged([s.env for s in others], own-variables)
    hooks = [h for h in [...[s.hook for s in others], hook] if h != ""]
    the-hook = join(hooks, "\n")
    all-services = merged([s.services for s in others], map-record(services, (n, s) => checked-service(n, s)))
    enter = import("fpack/text").text("enter", entry-script(the-name, the-hook), true)

    # A name that no image can have is fine for a shell.
    packed = import("fpack/container").container {
      name = if import("fpack/forms").image-name(the-name) then the-name else name-of({ name = the-name })
      tag = "shell"
      packages = [...whole, ...built]
      release = the-release
      closure = "depends"
      configure = false # a shell starts at once
      init = false      # on this machine bubblewrap is process 1
      drop = if drop != null then drop else documentation(wanted)
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
      meta = own-meta
      rules, alternatives
    }
    own-meta = if meta == {} then {} else import("fpack/meta").checked(meta)
  in evaluate(evaluate(own-meta, own-variables), evaluate(service-names(services), {
    type = "shell"
    name = the-name
    packages = all-packages
    env = variables
    hook = the-hook
    services = all-services
    release = the-release
    platform = packed.platform
    root = packed.root
    image = packed.with { init = null }
    # The store paths that the shell needs besides the root: those that its variables and its hook mention.
    paths = mentions([built, tools-of(built), variables, the-hook])
    search = programs
    usual-names = named
    meta = own-meta
    extra
  }))

# A program that runs as long as the shell is open, such as a database or a queue.
# The service has its own root, made of packages or of an image. start: the script that sh runs in the foreground.
# prepare: the script that runs before, for example to create a database. ready: the script that succeeds once the
# service can be used. stop: the signal that ends the service. env: variables of the service; exports: of the shell. In
# both, and in scripts, $DATA is a directory that stays with the project, and $RUN a temporary directory with a short
# path, for sockets. ports: the ports of 127.0.0.1 on which the service listens.
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
    variables = map-record(
      import("fpack/variables").for-shells("env", env),
      (key, value) => import("fpack/variables").text-of("env", key, value),
    )
    inside = shell { name = "service", env = variables, packages, rules }
    container-of = if image == null then inside.image else image
    offered = map-record(
      import("fpack/variables").for-shells("exports", exports),
      (key, value) => import("fpack/variables").text-of("exports", key, value),
    )
    forms = import("fpack/forms").of-service { start, stop, seconds, ports }
  in evaluate(forms, evaluate(variables, evaluate(offered, {
    type = "service"
    image = container-of
    release = inside.release
    root = container-of.root
    platform = container-of.platform
    paths = mentions([inside.paths, start, prepare, ready])
    search = inside.search
    env = inside.env
    exports = offered
    start, prepare, ready, stop, seconds
    ports
  })))

# The shell of `fpack shell debian.trixie.gcc debian.trixie.make`.
shell-of(packages) = shell { packages }

# The packages that every shell has. The C++ library is for the servers that editors install in a shell.
usual = [
  "bash", "bash-completion", "ca-certificates", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip",
  "hostname", "less", "libc-bin", "libstdc++6", "mawk", "ncurses-base", "ncurses-bin", "netbase", "procps", "sed",
  "tar",
]

search-path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games"

# Completions are kept for interactive use; manuals are kept if the program that shows them is installed.
documentation(packages) = [
  "/usr/share/doc", "/usr/share/info", "/usr/share/lintian", "/usr/share/bug", "/usr/share/doc-base",
  "/usr/share/locale", "/var/cache/**", "/etc/cron.*", "/etc/init.d", "/usr/lib/systemd", "/usr/lib/tmpfiles.d",
  "/usr/lib/sysusers.d",
  ...if any(packages, p => p.name == "man-db") then [] else ["/usr/share/man"],
]

# ---- listed packages

with-article = import("fpack/strings").with-article

is-built(p) = has(p, "out")

checked(p) =
  let kind = if type(p) == "record" then p.type or (if has(p, "out") then "derivation" else "record") else type(p) in
  if kind == "package" || kind == "derivation" then p
  else if kind == "path" || kind == "string" && starts-with(
    p,
    "/fpack/store/",
  ) then import("fpack/package").from-path(p)
  else error("`packages` takes packages, and this is ${with-article(kind)}", "packages")

included(s) =
  let kind = if type(s) == "record" then s.type or "record" else type(s) in
  if kind == "shell" then s
  else error("`include` takes shells, and this is ${with-article(kind)}", "include")

checked-service(name, s) =
  let kind = if type(s) == "record" then s.type or "record" else type(s) in
  if kind == "service" then s
  else error(
    "The service ${name} is made with service { ... }, and this is ${with-article(kind)}",
    name,
  )

service-names(services) =
  let wrong = [n for n in names(services) if match(n, "[A-Za-z0-9_][A-Za-z0-9_-]*") == null] in
  if wrong == [] then null else error(
    "${to-json(head(wrong))} cannot be the name of a service: write letters, digits, _ and -, and no - at the beginning",
    head(wrong),
  )

# The one release of Debian that the root of a shell is made of.
one-release(given, debian, built) =
  let
    asked = if given == null then [] else [given]
    releases = unique([...asked, ...[p.release for p in debian], ...[p.release for p in built if has(p, "release")]])
  in
    if releases == [] then "trixie"
    else if length(releases) == 1 then head(releases)
    else error("A shell's packages are of one release, and these are of ${join(sort(releases), " and ")}", "packages")

# The Debian packages that built packages load and run.
needed-by(built) =
  if built == [] then []
  else [p for p in import("fpack/package").with-their(["runtime", "libs"], built) if !is-built(p)]

# The built packages that other built packages run.
tools-of(built) =
  if built == [] then []
  else [p for p in import("fpack/package").with-their(["runtime"], built) if is-built(p)]

unique-by-name(packages) = import("fpack/package").unique-by-name(packages)
unique-by-path(packages) = import("fpack/package").unique-by-path(packages)

name-of(p) = import("fpack/container").name-of({ name = get(p, "name", "shell") })

merged(before, last) = fold([...before, last], {}, (all, more) => { ...all, ...more })

# ---- the image

# The script that a container of the shell's image starts with.
entry-script(name, hook) = """
  #!/bin/bash
  export FPACK_SHELL='${name}'
  if [ -t 0 ]; then
    export PS1='[${name}] \\u@\\h:\\w\\$ '
  fi
  ${hook}
  exec "$@"
"""
