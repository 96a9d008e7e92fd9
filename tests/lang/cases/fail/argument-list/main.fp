debian = import("fpack/debian").trixie
result = container { packages = debian.dash }.image
