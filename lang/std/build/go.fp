# Go programs. Their modules are in `vendor`, where `go mod vendor` puts them, or are fetched by the hashes of go.sum.

# packages: the packages to build, "." or "./cmd/...". flags: words for `go build`. cgo: use the C compiler.
# lock: the go.sum whose modules are fetched. module: the path by which the files import each other, if the source has no
# go.mod. apart: compile what the source imports as a derivation of its own, which an edit does not compile again. cross:
# for another architecture than the machine's, let this machine's Go and cross compiler compile for it.
# All else is as in `package`.
go({
  packages: list = ["."],
  flags: list = [],
  cgo: bool = false,
  lock: path | null = null,
  apart: bool = true,
  module: string | null = null,
  cross: bool = false,
  ...theirs
}) =
  let
    common = import("./common.fp")
    c = import("./cross.fp").of(cross, theirs)
    is-crossed = c != null
    given = if is-crossed then { ...theirs, platform = c.here, target = c.target } else theirs
    # Without cgo, Go compiles and links all itself.
    compiled = if cgo then c else null
    own = if cgo then theirs else given
    words = common.words
    all = words([...flags, ...packages])
    compiler = if cgo then ["gcc", "libc6-dev"] else []
    modules = if lock == null then [] else from-sum(common.debian-tools(given, ["golang-go"]), read-text(lock))
    listing = text("modules", join(["${m}\n" for m in modules], ""))
    env = {
      ...if is-crossed then { GOOS = "linux", ...get(targets, c.target, { GOARCH = c.target }) } else {}
      CGO_ENABLED = if cgo then "1" else "0"
      GOFLAGS = "-trimpath -buildvcs=false"
      GOPROXY = "off"
      GOSUMDB = "off"
      ...if modules == [] then {} else { modules = "${listing}" }
    }
    tools = ["golang-go", ...compiler]
    prepare = configure + if module == null then "" else without-go-mod(module)
    imported = if apart then import("./apart-go.fp").imported(compiled, own, tools, words(flags), prepare, env)
      else null
  in common.with-defaults-across(compiled, own, tools, {
    configure = prepare + if imported == null then "" else import("./apart-go.fp").take
    build = """
      mkdir -p /build/bin
      go build -o /build/bin/ -p $CORES${all}
    """
    # Tests are programs for another machine in a cross build.
    check = if is-crossed then "go vet${words(packages)}"
      else "go vet${words(packages)} && go test -p $CORES${words([...flags, ...packages])}"
    install = """
      mkdir -p "$out/bin"
      cp /build/bin/* "$out/bin/"
    """
    env = if imported == null then env else { ...env, imported = "${imported}" }
  })

# Go's variables for architectures that it names otherwise.
targets = {
  armel = { GOARCH = "arm", GOARM = "5" }
  armhf = { GOARCH = "arm", GOARM = "7" }
  i386 = { GOARCH = "386" }
  mips64el = { GOARCH = "mips64le" }
  ppc64el = { GOARCH = "ppc64le" }
}

# The modules are laid out as the files of a module proxy. Go compares each module with go.sum again.
configure = """
  export GOPATH=/build/go GOCACHE=/build/go-cache GOTOOLCHAIN=local GOTELEMETRY=off
  if [ -d vendor ]; then export GOFLAGS="$GOFLAGS -mod=vendor"; fi
  if [ -n "\${modules:-}" ]; then
    mkdir /build/proxy
    while read -r each; do cp -rs --no-preserve=mode "$each/." /build/proxy; done <"$modules"
    export GOPROXY=file:///build/proxy
  fi
"""

# Sources that are older than modules are of the language before those.
without-go-mod(module) =
  if match(module, "[\\w.~/-]+") == null then error("This is not the path of a Go module: ${module}", "module")
  else """
    if [ ! -e go.mod ]; then echo "module ${module}" >go.mod; fi
  """

# ---- go.sum

# The module versions in go.sum, each with the hash of its archive, of its go.mod, or of both.
from-sum(system, content) =
  let
    lines = [sum-line(l) for l in split(replace-all(content, "\r", ""), "\n") if trim(l) != ""]
    zips = { ${l.module} = l.hash for l in lines if !l.mod }
    mods = { ${l.module} = l.hash for l in lines if l.mod }
    toolchain = package({ name = "go", tools = system }).root
  in [fetched(toolchain, m, get(zips, m, ""), get(mods, m, "")) for m in unique([l.module for l in lines])]

sum-line(line) =
  let found = match(line, "(\\S+ [^\\s/]+)(/go\\.mod)? (h1:[A-Za-z0-9+/]{43}=)\\s*") in
  if found == null then error("This line of go.sum has no module, version and hash: ${line}", "lock")
  else { module = get(found, 0), mod = get(found, 1) != null, hash = get(found, 2) }

fetched(toolchain, m, zip, mod) =
  let words = split(m, " ") in
  derivation {
    kind = "gomod"
    name = store-name("${head(reverse(split(head(words), "/")))}-${get(words, 1)}")
    module = head(words)
    version = get(words, 1)
    zip
    mod
    toolchain
  }
