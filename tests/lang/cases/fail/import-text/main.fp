import("./other.fp")
result = 1
