# Make containers of values that are parts of images, or several things: roots, slices, payloads, files, lists.

# The container whose `/` is a root, or nothing but files. root: a derivation of kind "root". extra: one of kind "files".
# program: the package whose program runs. The other fields are as for a container.
with-root({
  root: record,
  name: string,
  tag: string = "latest",
  extra: record | null = null,
  program: string | null = null,
  entrypoint: list | null = null,
  command: list | null = null,
  env: record = {},
  user: string | null = null,
  workdir: string | null = null,
  ports: list = [],
  volumes: list = [],
  labels: record = {},
  configure: bool | null = null, # an option may set it; the root is made already
  codec: record = settings.codec,
}) =
  let
    texts = import("fpack/container").texts
    strings = import("fpack/container").strings
    variables = texts(map-record(
      import("fpack/variables").for-programs("env", env),
      (key, value) => import("fpack/variables").text-of("env", key, value),
    ))
    marks = texts(map-record(labels, (key, value) => import("fpack/variables").text-of("labels", key, value)))
    image-name = import("fpack/container").name-of({ name })
    image-tag = import("fpack/container").tag-of({ version = tag })
    file-name = store-name(name)
    entry = strings(entrypoint)
    arguments = strings(command)
    config = {
      entrypoint = entry
      command = arguments
      env = variables
      labels = marks
      stop_signal = null
      healthcheck = null
      user, workdir, ports, volumes
    }
    image-made = derivation {
      kind = "image"
      name = file-name
      args = {
        name = image-name
        tag = image-tag
        files = extra
        paths = mentions(config)
        arch = settings.arch
        max_layers = 100
        root, program, config, codec
      }
    }
  in {
    type = "container"
    image = image-made
    packages = []
    run-options = []
    name = image-name
    tag = image-tag
    root, entrypoint, command, env, user, workdir, ports, volumes, labels
  }

# A root of one slice, or of nothing. version: of the package.
root-of({ name, release, slices }) = let file-name = store-name("${name}-root") in derivation {
  kind = "root"
  name = file-name
  mode = "depends"
  arch = settings.arch
  wants = []
  users = []
  alternatives = {}
  candidates = []
  slices, release
}

# The container with the files of one slice or payload, and with nothing that they depend on.
of-package({ name, version, release, slice = null, payload = null }) =
  let
    rule = { keep = null, drop = [], setuid = [] }
    slice-name = store-name("${name}-${version}-slice")
    whole = derivation { kind = "slice", name = slice-name, payload, ...rule }
    chosen = if slice == null then whole else slice
    one = { package = name, depends = [], seed = true, slice = chosen, version }
  in with-root {
    root = root-of { slices = [one], name, release }
    tag = version
    name
  }

# The container with nothing but the files of a derivation of kind "files".
of-files({ name, release, files }) = with-root {
  root = root-of { slices = [], name, release }
  extra = files
  name
}

# The container of several packages, derivations, and containers and shells, whose packages it has.
together({ name: string, members: list }) =
  let
    packages = flatten([in-container(m) for m in members])
    image-name = import("fpack/container").name-of({ name })
  in container {
    name = image-name
    closure = if any(packages, p => p.type == "package") then "depends" else "linked"
    packages
  }

in-container(m) = if m.type == "container" || m.type == "shell" then m.packages else [m]

# The shell of several packages, derivations, containers, shells and services.
shell-of({ name, members }) =
  let
    of-type(kind) = [m for m in members if m.type == kind]
    services = { ${store-name(if s.name == "" then name else s.name)} = s.service for s in of-type("named-service") }
    packages = flatten([
      if m.type == "container" then m.packages else [m]
      for m in members
      if m.type != "shell" && m.type != "named-service"
    ])
  in shell { include = of-type("shell"), packages, services }

# The package whose payload another derivation makes.
with-payload({ release, name, payload }) =
  get(import("fpack/debian-package").of-release(release, settings.arch), name).with { payload }

# The shell in which a root is `/`. first: the package whose program `fpack run` runs.
in-root({ name, root, release, arch, first }) = {
  type = "shell"
  packages = [{ name = first }]
  env = {}
  hook = ""
  services = {}
  paths = []
  search = ""
  usual-names = []
  platform = import("fpack/platform").of(arch)
  name, root, release
}

# The emulator of a shell for another architecture, as of a build.
emulator = import("./build/emulator.fp").of

# ---- services

# The container that runs a service, with its data in the volume /data.
of-service({ name, service }) =
  let
    script = text("fpack-service", service-script(service, "/data", "/run/fpack-service"), true)
    own = service.image
    image-name = import("fpack/container").name-of({ name })
  in own.with {
    name = image-name
    tag = "service"
    entrypoint = ["/usr/local/bin/fpack-service"]
    command = null
    workdir = null
    env = { ...own.env, ...map-record(service.env, (_, v) => in-data(v, "/data", "/run/fpack-service")) }
    ports = service.ports
    volumes = [...own.volumes, "/data"]
    files = { ...own.files, "/usr/local/bin/fpack-service" = { source = script, mode = "0755" } }
    directories = {}
    stop-signal = service.stop
    healthcheck = { command = in-data(service.ready, "/data", "/run/fpack-service") }
    run-options = []
  }

in-data(value, data, run) = replace(replace(value, "$DATA", data), "$RUN", run)

service-script({ prepare, start, ...others }, data, run) = """
  #!/bin/sh
  set -eu
  export DATA="\${DATA:-${data}}" RUN="\${RUN:-${run}}"
  mkdir -p "$DATA" "$RUN"
  ${prepare}
  ${start}
"""

# The shell whose program runs a service in the foreground, with its data in a temporary directory.
running({ name, service }) =
  let
    quoted = import("fpack/strings").shell-quote
    inside(v) = replace(replace(quoted(v), "$DATA", "'\"$DATA\"'"), "$RUN", "'\"$RUN\"'")
    variables = ["export ${n}=${inside(v)}" for n, v in service.env if contains(v, "$DATA") || contains(v, "$RUN")]
    script = text(
      store-name(name),
      """
        #!/bin/sh
        set -eu
        new() { mkdir -m 700 "$1" && echo "$1"; }
        DATA=\${DATA:-$(new "\${TMPDIR:-/tmp}/${name}-data-$$")}
        RUN=\${RUN:-$(new "\${TMPDIR:-/tmp}/${name}-run-$$")}
        export DATA RUN
        ${join(variables, "\n")}
        ${service.prepare}
        ${service.start}
      """,
      true,
    )
  in {
    ...in-root { name, root = service.root, release = service.release, arch = service.platform.arch, first = name }
    packages = [script]
    env = service.env
    paths = [...service.paths, script.out]
    search = service.search
  }
