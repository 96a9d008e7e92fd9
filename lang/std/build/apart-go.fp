# The packages that a Go program imports, the standard library included, compiled as a derivation of its own: entries
# of Go's build cache. Go names an entry by a hash of the compiler, the flags and all that is compiled, so that it takes
# an entry only for what it would compile to that.

apart = import("./dependencies.fp")

# The package of the entries, or null if they cannot be compiled apart. flags: words for `go`. cross: of a cross
# build, see `cross.fp`.
imported(cross, given, tools, flags, configure, env) =
  let source = apart.skeleton(given, "go", {}) in
  if source == null then null
  else apart.compiled-across(cross, given, "go-imports", tools, {
    build = build(flags)
    check = null
    # The program that serves the entries runs in builds.
    ...if cross == null then {} else { foreign = ["/serve"] }
    env = { ...env, serve = "${text("serve.go", read-text(./go-cache.go))}" }
    source, configure, install
  })

# A program and a test that import all are compiled, examined and linked like the project's own. What cannot be imported
# is left to the build of the project, which says why if it needs it.
build(flags) = """
  if [ -e go.mod ]; then
    packages() { xargs -r go list -e -f '{{if and (not .Incomplete) (ne .Name "main")}}{{.ImportPath}}{{end}}'${flags}; }
    write() { sed -e "1i package $1\\n" -e 's/.*/import _ "&"/'; }
    mkdir fpack-imports
    { echo fmt; packages </build/source/.fpack/imports; } | write main >fpack-imports/main.go
    echo 'func main() {}' >>fpack-imports/main.go
    { echo testing; packages </build/source/.fpack/test-imports; } | write main >fpack-imports/main_test.go
    go build -o /dev/null -p $CORES${flags} ./fpack-imports || true
    go vet ./fpack-imports || true
    go test -count=1 -p $CORES${flags} ./fpack-imports || true
  fi
"""

# An entry has the time at which it was made, which nothing needs.
install = """
  mkdir -p "$out/entries"
  if [ -d $GOCACHE ]; then
    rm -rf $GOCACHE/*.txt $GOCACHE/README
    find $GOCACHE -name '*-a' -exec sed -i 's/ *[0-9]*$/                    1/' {} +
    cp -r $GOCACHE/. "$out/entries"
  fi
  case $(go env GOVERSION) in
    go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.2[0-3]*) ;;
    *)
      cp "$serve" /build/serve.go
      (cd /build && GOOS= GOARCH= GOARM= CGO_ENABLED=0 GOFLAGS=-trimpath GO111MODULE=off go build -o "$out/serve" serve.go) || true
      ;;
  esac
"""

# The go command asks a program for entries, from Go 1.24 on. Before, it needs a directory that it can write, whose links
# take longer to make and to delete; without the time of the last trim, it would delete them as unused.
take = """
  if [ -z "\${imported:-}" ]; then
    :
  elif [ -x "$imported/serve" ]; then
    export GOCACHEPROG="$imported/serve $imported/entries"
  else
    mkdir -p $GOCACHE
    cp -rs --no-preserve=mode "$imported/entries/." $GOCACHE
    date +%s >$GOCACHE/trim.txt
  fi
"""
