debian = import("fpack/debian").trixie
result = container {
  packages = [debian.dash]
  rules = { libc7 = { drop = ["/usr/share"] } }
}.image
