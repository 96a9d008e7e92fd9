result = import("../unbound/main.fp")
