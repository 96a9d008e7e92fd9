result = import("fpack/debain")
