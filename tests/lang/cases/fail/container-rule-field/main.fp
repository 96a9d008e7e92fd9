debian = import("fpack/debian").trixie
result = container {
  packages = [debian.dash]
  rules = { libc6 = { exclude = ["/usr/share"] } }
}.image
