debian = import("fpack/debian").trixie
result = debian.for("linux/s390x").dash.version
