# Go 1.24, to build and test programs: docker.io's golang image without cgo, so without a C compiler.
#
#   fpack pack go
#   podman load -i go.tar
#   podman run --user "$(id -u):$(id -g)" --userns=keep-id -v .:/src -w /src localhost/go:1.24 go build
#
# The program runs anywhere, also in the curated image `static`.

debian = import("fpack/debian").trixie

root = "/usr/share/go-1.24"

image = container {
  name = "go"
  tag = "1.24"

  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [debian.golang-go, debian."golang-1.24-go", debian."golang-1.24-src", debian.ca-certificates, debian.dash]
  rules = {
    # The standard library, without its tests and without the sources of the compiler, whose programs are in another
    # package.
    "golang-1.24-src" = {
      drop = ["${root}/src/cmd", "${root}/src/**/testdata", "${root}/src/**/*_test.go", "${root}/api", "${root}/test"]
    }
    ca-certificates = { keep = ["/usr/share/ca-certificates"] }
  }

  command = ["go", "version"]
  init = if command == ["go", "version"] then false else null # another program may need one
  user = "nonroot"
  users = { nonroot = { uid = 65532, gid = 65532, home = "/home/nonroot" } }
  workdir = "/go"
  run-options = ["--userns=keep-id", "-v .:/src", "-w /src"]

  env = {
    PATH = "/go/bin:/usr/local/bin:/usr/bin:/bin"
    GOPATH = "/go"
    GOCACHE = "/go/cache"
    GOTOOLCHAIN = "local"
    CGO_ENABLED = "0"
  }

  # Any --user can write to these directories, since a build should run as the owner of the sources.
  directories = {
    "/go" = { mode = "1777" }
    "/go/bin" = { mode = "1777" }
    "/go/pkg" = { mode = "1777" }
    "/go/src" = { mode = "1777" }
    "/go/cache" = { mode = "1777" }
    "/home/nonroot" = { user = "nonroot" }
  }
}
