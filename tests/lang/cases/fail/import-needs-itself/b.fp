a = import("./main.fp")
y = a.x + 1
