b = import("./b.fp")
x = b.y + 1
result = x
