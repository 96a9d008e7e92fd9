debian = import("fpack/debian").trixie
result = container {
  packages = [debian.dash]
  files = { "/etc/motd" = "hello" }
  directories = { "srv/data" = null }
}.image
