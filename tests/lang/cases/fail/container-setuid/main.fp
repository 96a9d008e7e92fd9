debian = import("fpack/debian").trixie
result = container {
  packages = [debian.dash, debian.sudo]
  setuid = ["/usr/bin/sudo"]
}.image
