result = import("fpack/debian").trixie.g++
