result = import("./other.fp")
