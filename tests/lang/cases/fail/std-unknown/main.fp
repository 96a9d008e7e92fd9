lists = import("fpack/lists")
result = lists.takee([1], 1)
