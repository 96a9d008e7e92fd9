a = import("./main.fp")
two = a.base + 1
three = two + 1
