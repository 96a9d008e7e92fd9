# A base for static binaries (Go, Rust), with only what they need of a system: certificates, time zones, users, and a
# directory for temporary files. The user's ids are those of gcr.io/distroless/static:nonroot.
#
#   FROM localhost/static:13
#   COPY server /
#   ENTRYPOINT ["/server"]

debian = import("fpack/debian").trixie

image = container {
  name = "static"
  tag = "13" # the release of Debian whose certificates and time zones it has

  closure = "linked"    # besides these packages, only those whose libraries and programs they load
  data-packages = false # no dependency that has nothing but data: each that is needed is listed
  interpreted = false   # nor what scripts and modules load
  packages = [debian.ca-certificates, debian.tzdata, debian.netbase]
  rules = {
    # The package's program joins the certificates into one file. fpack does that itself.
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
