debian = import("fpack/debian").trixie
result = container {
  packages = [debian.dash]
  files = {
    "/etc/motd" = { text = "hello", mode = 0644 }
  }
}.image
