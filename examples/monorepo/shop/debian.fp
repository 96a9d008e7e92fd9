debian = import("fpack/debian").trixie
