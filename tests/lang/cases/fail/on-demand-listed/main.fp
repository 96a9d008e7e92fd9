debian = import("fpack/debian")
result = names(debian.trixie)
