# A registry with the referrers API, from the Go library of Debian's crane, whose own server has the API switched off.
debian = import("fpack/debian").trixie

registry = go {
  name = "referrers-registry"
  version = "1"
  source = ./src
  apart = false
  tools = [debian.dpkg]
  env = { LIBRARY = "${debian.golang-github-google-go-containerregistry-dev.deb}" }
  # Debian's Go libraries are of the layout before modules. What this one depends on is for other parts of it.
  configure = """
    dpkg-deb --extract "$LIBRARY" /build/library
    export GOPATH=/build/library/usr/share/gocode GOCACHE=/build/go-cache GO111MODULE=off GOTOOLCHAIN=local
  """
  build = """
    mkdir -p /build/bin
    go build -o /build/bin/referrers-registry main.go
  """
  check = ""
}
