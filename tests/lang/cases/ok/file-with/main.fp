lib = import("./lib.fp")
result = [lib.url, lib.with { version = "2" }.url]
