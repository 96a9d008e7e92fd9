lists = import("fpack/lists")
result = [lists.take([1, 2, 3], 2), lists.chunks(range(5), 2), lists.group-by(["a", "bb", "c"], s => "${length(s)}"), lists.last([error("never"), 2]), lists.partition([1, 2, 3], x => x > 1)]
