...import("./b.fp")
result = 1
