debian = import("fpack/debian")
result = debian.for("arm64").trixie.dash
