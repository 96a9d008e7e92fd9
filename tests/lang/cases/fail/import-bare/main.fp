result = import("other.fp")
