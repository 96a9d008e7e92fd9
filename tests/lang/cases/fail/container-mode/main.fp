debian = import("fpack/debian").trixie
result = container {
  packages = [debian.dash]
  files = {
    "/etc/motd" = { text = "hello", mode = "rw-r--r--" }
  }
}.image
