value = 5
doubled(x) = x * 2
nested = import("./nested.fp").name
