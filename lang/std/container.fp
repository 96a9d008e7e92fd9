# Build containers: packages and files make a root, and a root with a configuration makes an image.

# packages: Debian packages, and derivations, which are included at their paths in the store.
# closure: "depends" includes all declared dependencies, "linked" only what the files load, and `wants`: sonames and
# absolute paths. rules: { PACKAGE = { keep, drop, setuid } }, also for packages that are included as dependencies.
# drop: the files to remove from every package, instead of documentation and the like.
# data-packages: a linked image includes dependencies that have nothing but data, and the certificates of servers for built
# programs that verify these.
# interpreted: a linked image includes what interpreted programs load: standard libraries, the modules that their code imports,
# plug-ins, and the commands that scripts call. Without it, the image has only what files name for the loader.
# first-start: steps that run when the container starts, [{ creates, command }]: the command, a list of words, runs if the
# path `creates` is absent. By default, those that the packages are known to need. init: start the program by `tini`, which
# passes signals on and ends orphaned processes; by default, if there are steps, if the program is a script or an
# interpreter, or if it is a server that leaves the foreground.
# try: commands that the image must pass in a sandbox before `fpack pack` writes it: the words of one, a command line, or a
# list of such lists or lines. The image does not depend on them.
# platform: what the image is for, such as "linux/arm64". Debian's packages are taken for it. By default, it is that of the
# listed packages, or else what is built for.
# foreign: globs of paths whose programs are meant for another machine; any other such program is an error.
# configure: run Debian's maintainer scripts, in a sandbox, and include what they make; { skip = [PACKAGE] } leaves out
# the scripts of some packages. By default they run for closure "depends" with Debian packages, on their own platform.
# replace: { PACKAGE = BUILT }: the libraries of a package are replaced by those of a built one with the same sonames, also
# for programs of Debian's. Sets of packages can have it for all of theirs: debian.extend { replace = { ... } }.
# base: the image of a registry on which this one stands, `oci("registry.example/team/base@sha256:...")`: its files, users
# and settings are the container's, too. Packages bring their libraries, but no base files and Essential packages.
# annotations: of the image's manifest, such as { "org.opencontainers.image.licenses" = "MIT" }.
# created: the time in the image's documents, 2026-01-31T00:00:00Z; by default, that of all images.
# meta: what bills of materials say of the image, see `fpack/meta`. extra: anything that other files want to know of it.
# The image depends on neither.
# program: the package whose program runs if there is neither an entrypoint nor a command. By default, the program of
# the first listed built package: the one with the package's name, or its only one.
container({
  packages: list,
  closure: string = "depends",
  rules: record = {},
  drop: list | null = null,
  base: record | null = null,
  configure: bool | record | null = null,
  replace: record = {},
  wants: list = [],
  release: string | null = null,
  platform: string | record | null = null,
  foreign: list = [],
  name: string | null = null,
  tag: string | null = null,
  entrypoint: list | null = null,
  command: list | null = null,
  program: string | null = null,
  env: record = {},
  user: string | null = null,
  workdir: string | null = null,
  ports: list = [],
  volumes: list = [],
  labels: record = {},
  annotations: record = {},
  created: string | null = null,
  stop-signal: string | int | null = null,
  healthcheck: record | null = null,
  users: record = {},
  files: record = {},
  directories: record = {},
  links: record = {},
  setuid: list = [],
  alternatives: record = {},
  data-packages: bool = true,
  interpreted: bool = true,
  first-start: list | null = null,
  init: bool | null = null,
  run-options: list = [],
  try: list | string = [],
  codec: record = settings.codec,
  max-layers: int = 100,
  meta: record = {},
  extra = {},
}) =
  let
    asked = if platform == null then null else import("fpack/platform").of(platform)
    listed = [if asked == null then checked(p) else made-for(asked, checked(p)) for p in packages]
    built = [p for p in listed if p.type != "package"]
    linked = is-linked(closure)
    # The runtime packages of a built package are included with all their dependencies.
    debian = [p for p in listed if p.type == "package"]
    run-by = unique([q.name for p in built for q in p.debian-runtime or []])

    image-name = if name != null then name else name-of(named-after(listed))
    image-tag = if tag != null then tag else if base != null && listed == [] then "latest"
      else tag-of(named-after(listed))
    file-name = store-name(head(reverse(split(image-name, "/"))))

    # The forms are checked before packages are looked up.
    tries = if type(try) == "string" then [try] else try
    forms = import("fpack/forms").of-container {
      name, tag, entrypoint, command, env, user, workdir, ports, volumes, labels, stop-signal, healthcheck, max-layers
      users, files, directories, links, rules, drop, setuid, wants, first-start, run-options, foreign
      try = tries
    }
    the-release = evaluate(forms, one-release(release, debian, built))
    the-arch = if asked != null then asked.arch
      else one-arch(debian, one-arch([p for p in built if has(p, "platform")], settings.arch))
    closure-of(names) = if names == [] then [] else debian-closure(the-release, names, the-arch)
    has-package(name) = release-has(the-release, the-arch, name)
    names = unique([
      ...[p.name for p in debian],
      ...if run-by == [] then [] else [p.name for p in closure-of(run-by)],
    ])
    base-names = if base == null then ["base-files"] else []
    declared = closure-of(unique([...names, ...base-names]))
    relied = if base != null then [] else [
      d for d in import("fpack/data-packages").relied-on(if linked then names else [p.name for p in declared], names)
      if has-package(d.name)
    ]
    found = if relied == [] then declared
      else closure-of(unique([...names, ...base-names, ...[d.name for d in relied]]))
    found-names = set-of([p.name for p in found])
    # What replaces libraries of packages: for this container, or for all packages of a set.
    replaced = all-replaced([
      replace,
      ...unique([
        p.replace
        for p in [...debian, ...[q for p in built for q in p.debian-packages or []]]
        if p.replace != {}
      ]),
    ])
    # The libraries that a built package loads are among the packages that it was built with.
    # Wheels were compiled elsewhere, and load the library of C++ of any system.
    foreign-libs = if linked && contains(run-by, "python3") && has-package("libstdc++6") then [
      "libgcc-s1",
      "libstdc++6",
    ]
      else []
    built-with = unique([
      ...[q.name for p in [...built, ...values(replaced)] for q in p.debian-packages or []],
      ...foreign-libs,
    ])
    around = if built-with == [] then []
      else [p for p in closure-of(built-with) if !has(found-names, p.name)]
    # No package declares Essential packages: the root takes what scripts and programs call, and the UTF-8 locale, which a
    # linked one does without.
    with-code = linked && interpreted && base == null
    # A lock of before `interpreted` does not have them, and a frozen one cannot get them.
    usual = if linked then [n for n in essential if has-package(n)] else essential
    others = if linked && !interpreted || names == [] || base != null then []
      else [p for p in closure-of(usual) if !has(found-names, p.name)]
    locale = if linked then [] else [p for p in others if p.name == "libc-bin"]
    other-names = set-of([p.name for p in others])
    spare = [
      ...if linked then others else [p for p in others if p.name != "libc-bin"],
      ...[p for p in around if !has(other-names, p.name)],
    ]
    present = set-of([p.name for p in [...found, ...spare]])
    data = if base != null then [] else [
      d for d in import("fpack/data-packages").used-by(if linked then names else [p.name for p in found])
      if !has(present, d.name)
    ]
    data-names = set-of([d.name for d in data])
    data-found = [
      p for p in if data == [] then [] else closure-of([d.name for d in data])
      if has(data-names, p.name)
    ]
    # Built programs that verify servers get certificates.
    with-certificates = with-code && data-packages && built != [] && !has(found-names, "ca-certificates")
      && !has(data-names, "ca-certificates") && has-package("ca-certificates")
    certificates = if !with-certificates || has(present, "ca-certificates") then []
      else [p for p in closure-of(["ca-certificates"]) if p.name == "ca-certificates"]
    run = what-runs(program, strings(entrypoint), strings(command), [p.name for p in debian])
    steps = if run == null then [] else import("fpack/first-start").steps(first-start, [p.name for p in found])
    own = if entrypoint == null && command == null && debian == [] && built != [] then head(built)
      else null
    words = [
      ...if entrypoint == null then [] else strings(entrypoint),
      ...if command == null then [] else strings(command),
    ]
    runs = run != null || own != null || words != []
    with-init = runs && (if init == null then steps != [] else init)
    # Without `init`, the root decides whether its program needs `tini`.
    may-init = base == null && runs && init == null && !with-init && has-package("tini")
    starter = if !(with-init || may-init) || has(found-names, "tini") then []
      else [p for p in closure-of(["tini"]) if p.name == "tini"]
    available = [...spare, ...certificates, ...if may-init then starter else []]
    at-hand = set-of([p.name for p in available])
    seeds = [...names, ...if with-init then ["tini"] else []]
    all-found = [...found, ...locale, ...data-found, ...if with-init then starter else [], ...available]
    all-rules = {
      ...if any(others, p => p.name == "libc-bin") then { libc-bin = { drop = not-of-libc(found) } } else {}
      ...{ ${d.name} = { keep = d.keep } for d in data if d.keep != null }
      ...if !with-certificates then {} else { ca-certificates = { keep = ["/usr/share/ca-certificates"] } }
      # The static program is for images without a C library.
      ...if may-init && starter != [] && has(found-names, "libc6") then { tini = { keep = ["/usr/bin/tini"] } } else {}
      ...rules
    }
    rules-made = import("fpack/rules").table(all-found, debian, all-rules, linked, drop, setuid)
    # Scripts may set the bits of files that a package ships without them.
    table =
      if with-scripts then map-record(rules-made, (_, r) => if r.setuid == [] then r else { ...r, lenient = true })
      else rules-made
    kept-bits = unique(flatten([r.setuid for _, r in rules-made]))
    slices = members(the-release, all-found, seeds, table, debian, [...data, ...relied], linked && data-packages)
    with-scripts = if base != null then refuse-scripts(configure) else runs-scripts(
      configure,
      linked && !(with-code && any(found, p => match(p.name, "php[0-9.]+-common|r-base-core") != null)),
      names,
      has-package,
      the-arch,
    )
    # Debian's scripts refuse a system user with a number outside of its range.
    all-users = [
      u for u in chosen-users(users, user, [p.name for p in found])
      if !with-scripts || has(users, u.name) || (u.uid >= 100 && u.uid <= 999)
    ]
    scripts = if with-scripts then import("fpack/configure").configured {
      name = store-name("${file-name}-configured")
      skip = skipped(if type(configure) == "record" then configure else {})
      users = all-users
      release = the-release
      arch = the-arch
      listed = debian
      names
    } else null

    root-made = derivation {
      kind = "root"
      name = store-name("${file-name}-root")
      mode = closure
      release = the-release
      arch = the-arch
      slices
      wants
      users = all-users
      alternatives
      ...if (run == null || base != null) && !with-init && !may-init then {} else {
        service = [{
          package = if run == null then "" else run
          first_start = steps
          init = with-init
          ...if may-init then { init_if_needed = true } else {}
          ...if run != null || words == [] then {} else { words }
          ...if run != null || own == null || program != null then {} else { built = ["${own.out}", own.name] }
        }]
      }
      ...if built-with == [] then {} else built-field(built, foreign-libs)
      ...if with-code then { interpreted = true } else {}
      # Scripts among the container's own files call commands.
      ...if with-code && files != {} then { files = files-made } else {}
      ...if !with-certificates then {} else { certificates = true }
      ...if replaced == {} then {} else replaced-field(replaced, check-replaced(replace, all-found))
      ...if base == null then {} else { base = [base-image] }
      # Programs that depend on dpkg read its database.
      ...if has(found-names, "dpkg") then { database = true } else {}
      ...if scripts == null then {} else {
        configured = scripts
        configured_drop = import("fpack/rules").shared(linked, drop)
        ...if kept-bits == [] then {} else { setuid = kept-bits }
      }
      candidates = [
        ...[s.slice for s in slices if if linked then !s.seed else has(at-hand, s.package)],
        # The scripts run only if one of them matters to the packages in the root.
        ...if scripts == null then [] else [scripts],
      ]
    }

    base-image = if base == null then null else import("fpack/oci").of(
      base,
      the-arch,
      if own == null then [] else ["${own.out}/bin"],
      program != null,
    )

    files-made = import("fpack/files").files {
      name = store-name("${file-name}-files")
      users = { ${u.name} = u for u in all-users }
      files
      directories
      links
    }

    entry = strings(entrypoint)
    arguments = strings(command)
    variables = texts({
      ...if linked || names == [] || base != null then {} else { LANG = "C.UTF-8" }
      ...if own == null || base != null then {} else { PATH = "${own.out}/bin:${system-path}" }
      ...map-record(
        import("fpack/variables").for-programs("env", env),
        (key, value) => import("fpack/variables").text-of("env", key, value),
      )
    })
    config = {
      entrypoint = entry
      command = arguments
      env = variables
      labels = map-record(labels, (key, value) => import("fpack/variables").text-of("labels", key, value))
      stop_signal = stop-signal
      healthcheck = if healthcheck == null then null else health-of(healthcheck)
      user
      workdir
      ports
      volumes
    }
    mentioned = mentions([built, config, links, in-files(files)])
    built-program = if own == null || program != null then null else ["${own.out}", own.name]

    image-args = {
      name = image-name
      tag = image-tag
      root = root-made
      files = if files == {} && directories == {} && links == {} then null else files-made
      paths = mentioned
      program = if built-program != null then built-program else run
      arch = the-arch
      max_layers = max-layers
      config
      codec
      ...if foreign == [] then {} else { foreign }
      ...if base == null then {} else { base = [base-image] }
      ...if created == null then {} else { created = [date-of(outer.created)] }
      ...if annotations == {} then {} else { annotations = pairs-of(outer.annotations) }
    }
    image-made = derivation { kind = "image", name = file-name, args = image-args }
    own-meta = if meta == {} then {} else import("fpack/meta").checked(meta)
    debug-made = {
      type = "container"
      name = "${image-name}-debug"
      tag = image-tag
      image = derivation {
        kind = "image"
        name = store-name("${file-name}-debug")
        args = {
          ...image-args
          name = "${image-name}-debug"
          tools = import("fpack/debug").tools { release = the-release, arch = the-arch }
        }
      }
      root = root-made
      platform = import("fpack/platform").of(the-arch)
      packages
      ports
      run-options
    }
  in evaluate(evaluate(own-meta, image-made), {
    type = "container"
    name = image-name
    tag = image-tag
    image = image-made
    root = root-made
    platform = import("fpack/platform").of(the-arch)
    meta = own-meta
    extra
    # What the image and its packages say of themselves, for its manifest.
    described = [
      ...if own-meta == {} then [] else [{ of = image-made, meta = own-meta }],
      ...if built == [] then [] else described-packages(built),
    ]
    # The same layers, with tools in a layer on top. It is a function so that nobody evaluates it by accident.
    debug() = debug-made
    # The arguments, so that another container can extend them: files = { ...postgres.files, "/etc/x" = ./x }
    packages
    closure
    rules
    base
    configure
    replace
    wants
    foreign
    entrypoint
    command
    env
    user
    workdir
    ports
    volumes
    labels
    annotations
    users
    files
    directories
    links
    run-options
    try
  })

# The Essential packages that scripts use. Every Debian system has them, so packages do not declare them.
essential = [
  "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "gzip", "hostname",
  "libc-bin", "mawk", "ncurses-base", "ncurses-bin", "passwd", "perl-base", "sed", "tar", "util-linux",
]

# The files of libc-bin that an image with declared dependencies lacks: it has the UTF-8 locale, small programs that
# scripts call, and with Python `ldconfig`, which ctypes runs to find libraries.
not-of-libc(found) = [
  "/etc", "/usr/share/libc-bin", "/usr/bin/getconf", "/usr/bin/ld.so", "/usr/bin/ldd", "/usr/bin/localedef",
  "/usr/bin/pldd", "/usr/bin/tzselect", "/usr/bin/zdump", "/usr/sbin/iconvconfig", "/usr/sbin/zic",
  ...if any(found, p => match(p.name, "libpython3[.][0-9]+-stdlib") != null) then [] else ["/usr/sbin/ldconfig"],
]

# The container that `fpack pack` makes from a Debian package or a built package.
container-for(package) =
  if package.type == "package" then container { packages = [package] }
  else container { packages = [package], closure = "linked" }

system-path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# ---- listed packages

with-article = import("fpack/strings").with-article

checked(p) =
  let kind = if type(p) == "record" then p.type or (if has(p, "out") then "output" else "record") else type(p) in
  if kind == "derivation" && (p.kind == "deb" || p.kind == "slice") then
    error("`packages` takes packages: list the one whose payload or slice this is", "packages")
  else if kind == "package" || kind == "derivation" then p
  else if kind == "path" || kind == "string" && starts-with(
    p,
    "/fpack/store/",
  ) then import("fpack/package").from-path(p)
  else if kind == "output" then { type = "output", name = get(p, "name", "output"), out = p.out }
  else if kind == "string" then error("`packages` takes packages, not their names: write debian.${p}", "packages")
  else if kind == "container" then error(
    "`packages` takes packages: extend a container by its .with { ... }",
    "packages",
  )
  else error(
    "`packages` takes packages and derivations, and this is ${with-article(kind)}",
    "packages",
  )

is-linked(closure) =
  if closure == "linked" then true
  else if closure == "depends" then false
  else error("`closure` is \"depends\" or \"linked\"; this is \"${closure}\"", "closure")

named-after(listed) =
  if listed == [] then error("A container without packages needs a `name` and a `tag`") else head(listed)

# The release whose base files an image without Debian packages gets.
stable = "trixie"

one-release(release, debian, built) =
  let releases = unique([
    ...if release == null then [] else [release],
    ...[p.release for p in debian],
    ...[p.release for p in built if has(p, "release")],
  ]) in
  if length(releases) > 1 then
    error("A container's packages are of one release, and these are of ${join(sort(releases), " and ")}", "packages")
  else if releases == [] then head([...[r for r in debian-releases() if r == stable], ...debian-releases()])
  else head(releases)

one-arch(packages, default) = import("fpack/platform").one-arch("A container", packages, default)

# The same package for a platform. What is built from source is for the platform that it was built for.
made-for(platform, p) = if p.type == "package" && p.platform.arch != platform.arch then p.for(platform) else p

# Whether maintainer scripts run. Without dpkg, which configures packages, no release can run them. unconfigured: by
# default, they do not. A linked image with PHP or R needs them: they switch on
# extensions and write settings.
runs-scripts(configure, unconfigured, names, has-package, arch) =
  if configure == null then !unconfigured && names != [] && arch == settings.arch && has-package("dpkg")
  else if configure != false && arch != settings.arch then
    error(
      "Maintainer scripts run only for ${settings.arch}, the architecture of the build, and this image is for ${arch}: leave out `configure`",
      "configure",
    )
  else configure != false

# With a base, none run: they would see another system than the container's.
refuse-scripts(configure) =
  if configure == null || configure == false then false
  else error("Maintainer scripts do not run on a base: leave out `configure`", "configure")

release-has(release, arch, name) = get(import("fpack/debian-package").of-release(release, arch), name, null) != null

skipped({ skip: list = [] }) = skip

# The slices of the root. listed: packages that may differ from those of the release. seed: the slice is always in the
# root.
# data: packages that others use and do not depend on, as `fpack/data-packages` returns them. with-data: the root takes
# dependencies that are only data.
members(release, found, names, rules, listed = [], data = [], with-data = false) =
  let
    seeds = set-of([...names, "base-files", ...[d.name for d in data]])
    by-name = list-groups(listed, p => p.name)
  in [
    {
      package = p.name
      version = p.version
      depends = p.depends
      seed = has(seeds, p.name)
      ...if with-data && p.arch == "all" then { data = true } else {}
      ...used-field([d for d in data if d.name == p.name])
      slice = derivation {
        kind = "slice"
        name = store-name("${p.name}-${p.version}-slice")
        payload = payload-of(release, p, by-name)
        ...get(rules, p.name)
      }
    }
    for p in found
  ]

# A record with a field for each name, so that a name is found without a search.
set-of(names) = { ${name} = true for name in unique(names) }

# by-name: the listed packages, grouped by their names, since a search of the list for each package would take time with
# the square of their number.
payload-of(release, p, by-name) =
  let own = get(by-name, p.name, []) in
  if own == [] then import("fpack/debian-package").package(release, p).payload else head(own).payload

used-field(data) = if data == [] then {} else { used = [{ by = d.by, why = d.why } for d in data] }

# The built packages that say something of themselves, among those given, what they are linked with and what they run.
described-packages(built) =
  let of-package = import("fpack/package") in [
    { of = p.out, meta = p.meta }
    for p in of-package.with-their(["libs", "runtime"], built)
    if of-package.is-built(p) && has(p, "debian-runtime") && p.meta != {}
  ]

# ---- users

# The fixed users of a root: those of the container, then the known users that it runs as or whose packages it has.
chosen-users(given, runs-as, names) =
  let
    own = [user(name, u) for name, u in given]
    main = if runs-as == null then "" else head(split(runs-as, ":"))
    users = import("fpack/users")
    known = [
      known-user(name, get(users, name)) for name in known-users(users)
      if !has(given, name) && (name == main || any(get(users, name).packages, p => contains(names, p)))
    ]
    # Two known users may have the same number; the user that the container runs as keeps it.
    ordered = [...own, ...[u for u in known if u.name == main], ...[u for u in known if u.name != main]]
    fixed = fold(ordered, [], (taken, u) =>
      if has(given, u.name) || !any(taken, t => t.uid == u.uid) then [...taken, u] else taken)
  in sort(fixed, u => u.name)

# The names of the known users. The first of several users with one number keeps it.
known-users(users) = unique(["postgres", "redis", "valkey", "mysql", ...names(users)])

known-user(name, u) = user(name, remove(u, "packages"))

user(name, {
  uid: int,
  gid: int | null = null,
  group: string | null = null,
  home: string = "/nonexistent",
  shell: string = "/usr/sbin/nologin",
  comment: string = "",
}) =
  let
    number = if gid == null then uid else gid
    primary = if group == null then name else group
  in { gid = number, group = primary, name, uid, home, shell, comment }

# ---- the configuration

pairs-of(annotations) = [
  [key, import("fpack/variables").text-of("annotations", key, value)]
  for key, value in annotations
]

date-of(created) =
  if match(created, "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z") != null then created
  else error("`created` is a time such as \"2026-01-31T00:00:00Z\", and not ${to-json(created)}", "created")

strings(list) = if list == null then null else ["${item}" for item in list]
texts(record) = map-record(record, (_, value) => "${value}")

health-of(given) = healthcheck(given)

healthcheck({
  command: list | string,
  interval: int | string | null = null,
  timeout: int | string | null = null,
  start-period: int | string | null = null,
  retries: int | null = null,
}) =
  let run = if type(command) == "list" then strings(command) else command in
  { command = run, start_period = start-period, interval, timeout, retries }

built-field(packages, foreign) = {
  built = [
    {
      path = "${p.out}"
      packages = [q.name for q in p.debian-packages or []]
      ...if foreign == [] then {} else { foreign }
    }
    for p in packages
  ]
}

# One record of all that is replaced. A package can be replaced by one other.
all-replaced(records) = fold(records, {}, (found, more) => {
  ...found
  ...{
    ${name} =
      if !(type(p) == "record" && has(p, "out")) then
        error("`replace` takes built packages, and this is ${with-article(type(p))}", "replace")
      else if has(found, name) && "${get(found, name).out}" != "${p.out}" then
        error("`replace`: ${name} is replaced by two packages, ${get(found, name).name} and ${p.name}", "replace")
      else p
    for name, p in more
  }
})

# Raise an error if a package that the container itself replaces is not in the image.
check-replaced(own, found) =
  let unknown = [n for n in names(own) if !any(found, p => p.name == n)] in
  if unknown == [] then null
  else error("`replace`: ${head(unknown)} is not among the packages of the image", "replace")

replaced-field(replaced, checked) = evaluate(checked, {
  replace = [
    { package = name, path = "${p.out}", packages = [q.name for q in p.debian-packages or []] }
    for name, p in replaced
  ]
})

what-runs(program, entrypoint, command, names) =
  if program != null then program
  else if entrypoint == null && command == null && names != [] then head(names)
  else null

# The store paths that the extra files mention, which must be in the image too.
in-files(files) = [in-file(f) for _, f in files]
in-file(f) =
  if type(f) == "string" then f
  else if type(f) != "record" then null
  else if (f.type or "") != "derivation" then [in-file(f.source or null), f.text or null]
  else if f.kind == "text" then inputs(f)
  else if f.kind == "fetch" then null
  else f

# ---- names

# A valid image name: lower-case letters and digits, with single . _ - between them.
name-of(p) =
  let parts = replace-all(
    replace-all(replace(lower(p.name), "+", "p"), "[^a-z0-9]*[.][^a-z0-9]*", "."),
    "[^a-z0-9.]+",
    "-",
  )
  in replace-all(parts, "^[.-]|[.-]$", "")

# A valid tag: letters, digits, and . _ -
tag-of(p) =
  substring(replace-all(replace-all(get(p, "version", "latest"), "[^A-Za-z0-9_.-]", "-"), "^[.-]+", ""), 0, 128)
