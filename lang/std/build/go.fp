# Go programs, whose modules lie in `vendor`: `go mod vendor` puts them there, checked by go.sum.

# packages: what is built, "." or "./cmd/...". flags: words for `go build`. cgo: use the C compiler.
# All else is as in `package`.
go({ packages: list = ["."], flags: list = [], cgo: bool = false, ...given }) =
  let
    words = import("./common.fp").words
    all = words([...flags, ...packages])
    compiler = if cgo then ["gcc", "libc6-dev"] else []
  in import("./common.fp").with-defaults(given, ["golang-go", ...compiler], {
    configure = """
      export GOPATH=/build/go GOCACHE=/build/go-cache GOTOOLCHAIN=local GOTELEMETRY=off
      if [ -d vendor ]; then export GOFLAGS="$GOFLAGS -mod=vendor"; fi
    """
    build = """
      mkdir -p /build/bin
      go build -o /build/bin/ -p $CORES${all}
    """
    check = "go vet${words(packages)} && go test -p $CORES${words([...flags, ...packages])}"
    install = """
      mkdir -p "$out/bin"
      cp /build/bin/* "$out/bin/"
    """
    env = {
      CGO_ENABLED = if cgo then "1" else "0"
      GOFLAGS = "-trimpath -buildvcs=false"
      GOPROXY = "off"
      GOSUMDB = "off"
    }
  })
