other = import("./other.fp")
result = [other.twice(4), import(./other.fp).name, import("fpack/lists").last([1, 2])]
