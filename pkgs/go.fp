# Go 1.24 to build and test programs with: docker.io's golang image without cgo, so without a C compiler.
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

  closure = "linked"
  data-packages = false
  interpreted = false
  packages = [debian.golang-go, debian."golang-1.24-go", debian."golang-1.24-src", debian.ca-certificates, debian.dash]
  rules = {
    # The standard library without its own tests and without the sources of the compiler, which is here as a program.
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

  # Open to any --user: who builds should be the one that the sources belong to.
  directories = {
    "/go" = { mode = "1777" }
    "/go/bin" = { mode = "1777" }
    "/go/pkg" = { mode = "1777" }
    "/go/src" = { mode = "1777" }
    "/go/cache" = { mode = "1777" }
    "/home/nonroot" = { user = "nonroot" }
  }
}
