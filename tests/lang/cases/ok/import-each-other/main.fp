# Files may import each other as long as no value needs itself.
b = import("./b.fp")
base = 1
result = [b.two, b.three]
