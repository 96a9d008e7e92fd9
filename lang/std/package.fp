# Packages that are built from source, in a sandbox whose `/` consists of the Debian packages that they list.

# name, version: the name of the store path.
# source: a directory or an archive; null: none. The phases run in the unpacked source.
# patches: files for `patch -p1`, in order.
# tools: packages that run during the build. libs: packages that the result, and what links with it, is linked with.
# runtime: packages that the result runs: interpreters, programs. All three take Debian packages and built packages.
# env: variables for the phases. folder: the directory of the source in which the phases run.
# outputs: "out", and "dev" and "doc" for files that only compilers and readers need.
# unpack ... fixup: the phases, shell scripts that one bash runs in this order; null skips a phase.
# meta: what bills of materials say of the package, see `fpack/meta`. extra: anything that other files want to know of it.
# Neither is part of the build.
# platform: where the build runs, and its tools: what is built for, unless another is given.
# apart: compile each file of C and C++ in a sandbox of its own, and remember the result: an edit compiles no other file.
# target: the architecture of the result, if the build runs on another one (a cross build): `libs` and `runtime` are of
# it, and `tools` are of the build.
# foreign: in a cross build, globs of the files of the outputs, as "/lib/firmware", that are meant for another architecture.
# emulate: a cross build may run the programs that it makes, by an emulator.
# limits: { seconds, memory, processes, size }. allowed, disallowed: store paths that the result may, must not mention.
package({
  name: string,
  version: string = "0",
  description: string = "",
  meta: record = {},
  extra = {},
  source: path | string | record | null = null,
  patches: list = [],
  tools: list = [],
  libs: list = [],
  runtime: list = [],
  env: record = {},
  folder: string = ".",
  outputs: list = ["out"],
  unpack: string | null = default-unpack,
  patch: string | null = default-patch,
  configure: string | null = null,
  build: string | null = null,
  check: string | null = null,
  install: string | null = null,
  fixup: string | null = default-fixup,
  strip: bool = true,
  apart: bool = false,
  limits: record | null = null,
  allowed: list | null = null,
  disallowed: list = [],
  release: string | null = null,
  platform: string | record | null = null,
  target: string | null = null,
  foreign: list = [],
  emulate: bool = false,
}) =
  let
    asked = if platform == null then null else import("fpack/platform").of(platform)
    the-arch = if asked == null then settings.arch or "" else asked.arch
    the-target = if target == null then the-arch else import("fpack/platform").of(target).arch
    is-cross = the-target != the-arch
    cross = import("./build/cross.fp")
    all-tools = [
      taken("tools", asked, the-arch, name, if is-cross then cross.tool(the-arch, p) else p)
      for p in tools
    ]
    for-result = if is-cross then import("fpack/platform").of(the-target) else asked
    all-libs = [taken("libs", for-result, the-target, name, p) for p in libs]
    all-runtime = [taken("runtime", for-result, the-target, name, p) for p in runtime]
    # Linking with a library includes linking with the libraries of that library.
    linked = packages-with(all-libs, ["libs"])
    started = packages-with(if is-cross then all-tools else [...all-tools, ...all-runtime], ["runtime"])
    of-started = packages-with([...started.built, ...started.debian], ["libs"]).debian
    built-tools = started.built
    built-libs = linked.built
    from-debian = [
      ...[p for p in all-tools if !is-built(p)],
      ...if is-cross then [] else linked.debian,
      ...of-started,
      ...started.debian,
    ]
    run-by = packages-with([...all-runtime, ...built-libs], ["runtime"]).debian
    # The forms are checked before packages are looked up.
    forms =
      if type(source) != "string" && patches == [] && outputs == ["out"] && limits == null && allowed == null
        && disallowed == []
      then null
      else import("fpack/forms").of-package {
        source, patches, outputs, limits, allowed, disallowed
        unpacks = unpack == default-unpack
        patched = patch == default-patch
      }
    the-release = evaluate(forms, one-release([
      ...if release == null then [] else [release],
      ...linked.releases,
      ...started.releases,
      ...[p.release for p in of-started],
    ]))
    base = import("fpack/debian-package").of-release(the-release, the-arch)
    basics = [get(base, n) for n in [...base-tools, ...unpackers(source)]]
    debian = unique-by-name([...from-debian, ...basics])

    # Debian's packages of the result's architecture: none if the result needs none, as a program of Go.
    of-target = if !is-cross then [] else unique-by-name([...linked.debian, ...run-by])
    root-made = if of-target == [] then build-root(the-release, the-arch, debian, from-debian)
      else cross.root(the-release, the-arch, debian, the-target, of-target)
    scripts = [
      { name = "unpack", script = if source == null && unpack == default-unpack then null else unpack },
      { name = "patch", script = if patches == [] && patch == default-patch then null else patch },
      { name = "configure", script = configure },
      { name = "build", script = build },
      { name = "check", script = check },
      { name = "install", script = install },
      { name = "fixup", script = fixup },
    ]
    source-path = "${source}"
    patch-paths = join(["${p}" for p in patches], " ")
    own-variables = if names(env) == [] then {} else map-record(
      import("fpack/variables").for-shells("env", env),
      (key, value) => import("fpack/variables").text-of("env", key, value),
    )
    own-meta = if meta == {} then {} else import("fpack/meta").checked(meta)
    variables = {
      ...if source == null then {} else { source = source-path }
      ...if patches == [] then {} else { patches = patch-paths }
      ...if folder == "." then {} else { folder }
      ...paths(built-tools, linked)
      ...if any(from-debian, p => has(catalog-users, p.name)) then catalogs(debian, the-release, the-arch) else {}
      ...own-variables
    }
    run-packages = unique-by-name(run-by)
    load-packages = if is-cross then of-target else debian
    # Those of `libs` whose libraries replace Debian's in every image of the package.
    given = flatten([values(p.replace) for p in if is-cross then of-target else from-debian if p.replace != {}])
    replacing = if given == [] then [] else [o for o in linked.out if any(given, p => "${p.out}" == o)]
    whole-with = others => { type = "derivation", name, version, out = made.out, ...others, libs, runtime }
    # Another output than `out`, as a package; who links with it links with `out`.
    part = (output, others) => output-of {
      name = output.name
      out = output.out
      main = whole-with(others)
      debian-packages = load-packages
      debian-runtime = run-packages
      release = the-release
      meta = own-meta
      version, runtime
    }
    built = derivation {
      kind = "exec"
      name = store-name("${name}-${version}")
      root = root-made
      shell = "/bin/bash"
      phases = [p for p in scripts if p.script != null]
      env = variables
      ...if linked.out == [] then {} else {
        linker = import("./build/linker.fp").linker
        libs = linked.out
        ...if replacing == [] then {} else { replacing }
      }
      allowed = if allowed == null then null else ["${p}" for p in allowed]
      disallowed = ["${p}" for p in disallowed]
      limits
      outputs
      strip
      ...if apart then { apart } else {}
      ...if is-cross then { target = the-target, ...if foreign == [] then {} else { foreign } } else {}
      ...emulator(
        the-release,
        if emulate && is-cross && the-arch == get(settings, "machine", null) then the-target else the-arch,
      )
    }
    # `meta` is checked when the package is used: if `.with` changes defaults of `env` and `meta`, neither needs the other.
    made = evaluate(own-meta, built)
  in evaluate(can-build(name, the-arch), evaluate(own-variables, {
    type = "derivation"
    kind = "exec"
    out = made.out
    ...{
      ${o} = part(get(made, o), { ${n} = get(made, n).out for n in outputs if n != "out" })
      for o in outputs
      if o != "out"
    }
    release = the-release
    platform = import("fpack/platform").of(the-target)
    root = root-made
    # The packages in which a container finds the libraries that the result loads and the programs that it runs.
    debian-packages = evaluate(own-meta, load-packages)
    debian-runtime = evaluate(own-meta, run-packages)
    meta = own-meta
    extra
    name, version, description, source, patches, tools, libs, runtime, env, folder, outputs
    unpack, patch, configure, build, check, install, fixup, strip, apart, limits, allowed, disallowed, foreign, emulate
  }))

# An output of a package, such as `dev`, as a derivation.
output-of({ name, version, out, main, release, debian-packages, debian-runtime, runtime, meta }) = {
  type = "derivation"
  kind = "exec"
  libs = [main]
  with = _ => error("An output cannot be changed: change its package, as in PACKAGE.with { ... }.dev", "with")
  name, version, out, release, debian-packages, debian-runtime, runtime, meta
}

# The derivation that a path or the path of an output stands for. Of a build, the packages that it was built with are
# known, in the version of the lock.
from-path(p) =
  let d = derivation-of(p) in
  if has(d, "built-with") then recovered {
    name = d.name
    kind = d.kind
    out = d.out
    release = d.release
    built-with = d."built-with"
  }
  else d

recovered({ name, kind, out, release, built-with }) = {
  type = "derivation"
  debian-packages = [
    p for p in [
      get(import("fpack/debian-package").of-release(release, settings.arch), n, null)
      for n in built-with
    ] if p != null
  ]
  debian-runtime = []
  meta = {}
  name, kind, out, release
}

# ---- listed packages

with-article = import("fpack/strings").with-article

is-built(p) = has(p, "out")

checked(field, p) =
  let kind = if type(p) == "record" then p.type or "record" else type(p) in
  if kind == "package" || kind == "derivation" then p
  else if kind == "path" || kind == "string" && starts-with(p, "/fpack/store/") then from-path(p)
  else error("`${field}` takes packages, and this is ${with-article(kind)}", field)

# A listed package. If the build has a `platform`, Debian's packages are taken for it; else they must be for what is built
# for.
taken(field, asked, arch, name, p) =
  let q = checked(field, p) in
  if arch == "" || !has(q, "platform") || q.platform.arch == arch then q
  else if asked != null && !is-built(q) then q.for(asked)
  else error(
    "`${field}`: ${q.name} is for ${q.platform.arch}, and ${name} is built for ${arch}; platform = \"${q.platform.arch}\" builds it there",
    field,
  )

# Raise an error if this machine cannot run a build. Verbs that only evaluate know no machine.
can-build(name, arch) =
  let why = get(settings, "cannot-run", _ => null)(arch) in
  if why == null then null else error(
    "${name} cannot be built for ${arch} here: ${why}. Build it there, or give a platform = \"...\" if the result suits any",
    "platform",
  )

# The emulator that runs the programs of a build, if this machine does not: QEMU of the same release, for this machine.
emulator(release, arch) =
  let here = get(settings, "emulated-by", _ => null)(arch) in
  if here == null then {} else import("./build/emulator.fp").of(release, arch, here)

# Packages with those that the fields list, such as `libs`, of built packages, transitively: first the built packages.
with-their(fields, packages) = let found = packages-with(packages, fields) in [...found.built, ...found.debian]

unique-by-path(packages) = unique-by(packages, p => "${p.out}")

# The first package of each name. All files of a Debian package are used here; its rule is ignored.
unique-by-name(packages) = unique-by(packages, p => p.name)

release-of(given, debian, built) =
  one-release([
    ...if given == null then [] else [given],
    ...[p.release for p in debian],
    ...[p.release for p in built if has(p, "release")],
  ])

one-release(listed) =
  let releases = unique(listed) in
  if length(releases) > 1 then
    error("The packages of a build are of one release, and these are of ${join(sort(releases), " and ")}", "tools")
  else if releases == [] then import("fpack/container").stable
  else head(releases)

# ---- the root

# The packages that build scripts rely on.
base-tools = [
  "base-files", "bash", "coreutils", "dash", "diffutils", "findutils", "gawk", "grep", "gzip", "libc-bin", "patch",
  "sed", "tar", "xz-utils",
]

# The additional packages that unpack the source, chosen by its file name.
unpackers(source) =
  let name = if source == null then "" else "${source}" in
  if ends-with(name, ".bz2") then ["bzip2"]
  else if ends-with(name, ".zst") then ["zstd"]
  else if ends-with(name, ".zip") then ["unzip"]
  else []

# A root of Debian packages with all dependencies, without documentation. All roots have the same name, so that builds
# with the same tools share one root, which is described once unless a package differs from that of the release. Only
# those in `listed` may differ.
build-root(release, arch, packages, listed) =
  let
    originals = import("fpack/debian-package").of-release(release, arch)
    names = unique([p.name for p in packages])
  in
    if all(listed, p => p.payload == get(originals, p.name).payload) then
      get(usual-roots, join([release, arch, ...sort(names)], " "))
    else described-root(release, arch, names, packages)

usual-roots = on-demand(
  "roots of builds",
  key => let words = split(key, " ") in described-root(head(words), get(words, 1), tail(tail(words)), []),
)

described-root(release, arch, names, packages) =
  root-of(release, arch, whole-slices(release, debian-closure(release, names, arch), names, packages))

# All files of packages but documentation.
whole-slices(release, found, names, packages) =
  let
    whole = [{ name = n, rule = import("fpack/rules").none } for n in names]
    rules = import("fpack/rules").table(found, whole, {}, false, null, [])
  in import("fpack/container").members(release, found, names, rules, packages)

root-of(release, arch, slices) = derivation {
  kind = "root"
  name = "build-tools"
  mode = "depends"
  wants = []
  users = []
  alternatives = {}
  candidates = []
  release, arch, slices
}

# ---- variables

# The variables by which compilers, linkers, pkg-config and CMake find built packages. See `build/linker.fp` for how
# the result finds them.
paths(tools, libs) =
  let
    at = libs.at
    out = libs.out
    programs = ["${p.out}/bin" for p in tools]
  in {
    ...if tools == [] && out == [] then {} else {
      PATH = join([...programs, ...each-with(at, "/bin"), "/usr/local/bin:/usr/bin:/bin"], ":")
    }
    ...if out == [] then {} else {
      CPATH = join(each-with(at, "/include"), ":")
      LIBRARY_PATH = join(each-with(out, "/lib"), ":")
      PKG_CONFIG_PATH = join(map(at, path => "${path}/lib/pkgconfig:${path}/share/pkgconfig"), ":")
      CMAKE_PREFIX_PATH = join(libs.both, ":")
      LDFLAGS = join(map(out, path => "-L${path}/lib"), " ")
    }
  }

# The paths with something after each, joined by colons, as a list of at most one.
each-with(paths, end) = if paths == [] then [] else [join(paths, "${end}:") + end]

# The XML catalogs by which tools find the stylesheets and schemas of DocBook without a network. Debian's scripts register
# them in /etc/xml, which the root of a build does not have.
catalogs(packages, release, arch) =
  let
    found = debian-closure(release, [p.name for p in packages], arch)
    files = [file for p in found for file in get(xml-catalogs, p.name, [])]
  in if files == [] then {} else { XML_CATALOG_FILES = join(["/usr/share/xml/docbook/${f}" for f in files], " ") }

xml-catalogs = {
  docbook-xml = [
    "schema/dtd/catalog.xml",
    ...["schema/dtd/${v}/catalog.xml" for v in ["4.0", "4.1.2", "4.2", "4.3", "4.4", "4.5"]],
  ]
  docbook-xsl = ["stylesheet/docbook-xsl/catalog.xml"]
  docbook-xsl-ns = ["stylesheet/docbook-xsl-ns/catalog.xml"]
  docbook5-xml = ["schema/catalog-docbook5.xml"]
}

# The packages that have or bring these.
catalog-users = {
  ...xml-catalogs
  asciidoc = true
  asciidoc-base = true
  dblatex = true
  docbook-utils = true
  docbook2x = true
  gtk-doc-tools = true
  xmlto = true
  yelp-tools = true
}

# ---- the phases

# All files of the source get the same time, so that no rule of a Makefile finds one file older than another.
default-unpack = """
  if [ -d "$source" ]; then
    cp -r "$source" source
    chmod -R u+w source
    find source -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    cd source
  elif [ -n "\${source:-}" ]; then
    mkdir source
    case $source in
      *.zip) unzip -q "$source" -d source ;;
      *.tar | *.tar.* | *.tgz | *.txz | *.tbz2 | *.crate | *.gem) tar -xf "$source" -C source --no-same-owner ;;
      *) cp "$source" "source/\${source#*-}" ;;
    esac
    cd source
    set -- *
    if [ $# = 1 ] && [ -d "$1" ]; then cd "$1"; fi
    set --
  fi
  cd "\${folder:-.}"
"""

default-patch = """
  for each in $patches; do
    echo "applying \${each#*-}"
    patch -p1 <"$each"
  done
"""

# Remove libtool's .la files, which refer to paths of the build, and move files to the outputs `dev` and `doc`.
default-fixup = """
  find "$out" -name '*.la' -delete
  move() {
    local from=$1 to=$2 each
    shift 2
    for each; do
      if [ -e "$from/$each" ]; then
        mkdir -p "$to/$(dirname "$each")"
        mv "$from/$each" "$to/$each"
        find "$from" -mindepth 1 -maxdepth 1 -type d -empty -delete
      fi
    done
  }
  if [ -n "\${dev:-}" ]; then
    mkdir -p "$dev"
    move "$out" "$dev" include lib/pkgconfig share/pkgconfig lib/cmake share/cmake share/aclocal
    for each in "$out"/lib/*.a; do
      if [ -e "$each" ]; then move "$out" "$dev" "\${each#"$out"/}"; fi
    done
    find "$dev" -name '*.pc' -exec sed -i "s|^includedir=.*|includedir=$dev/include|" {} +
  fi
  if [ -n "\${doc:-}" ]; then
    mkdir -p "$doc"
    move "$out" "$doc" share/man share/doc share/info share/gtk-doc
  fi
"""
