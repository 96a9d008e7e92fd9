lib = import("./lib.fp")
result = lib.twice("a")
