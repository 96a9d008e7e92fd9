# What a program without a C library needs of a system, and no more: certificates, time zones, users, a place for
# temporary files. A base for static binaries (Go, Rust), with the numbers of gcr.io/distroless/static:nonroot.
#
#   FROM localhost/static:13
#   COPY server /
#   ENTRYPOINT ["/server"]

debian = import("fpack/debian").trixie

image = container {
  name = "static"
  tag = "13" # Debian's, whose certificates and time zones these are

  closure = "linked"
  data-packages = false
  interpreted = false
  packages = [debian.ca-certificates, debian.tzdata, debian.netbase]
  rules = {
    # Its program, which joins certificates, is a shell script; fpack joins them itself.
    ca-certificates = { keep = ["/usr/share/ca-certificates"] }
    tzdata = { keep = ["/usr/share/zoneinfo"] }
  }

  command = [] # the program comes with the image that is made from this one
  user = "nonroot"
  workdir = "/home/nonroot"
  users = { nonroot = { uid = 65532, gid = 65532, home = "/home/nonroot" } }
  env = { SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt" }

  directories = { "/home/nonroot" = { mode = "0700", user = "nonroot" } }
  links = { "/etc/localtime" = "/usr/share/zoneinfo/Etc/UTC" }
}
