...import("./main.fp")
