result = names(import("fpack/debian").trixie)
