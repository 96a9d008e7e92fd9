debian = import("fpack/debian")
result = container {
  packages = [debian.trixie.dash, debian.bookworm.sudo]
}.image
