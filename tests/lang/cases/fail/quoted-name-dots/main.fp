result = import("fpack/debian").trixie.python3.13
