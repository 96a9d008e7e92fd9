records = import("fpack/records")
result = [records.set-path({ a = { b = 1 } }, ["a", "c", "d"], 2), records.keep({ a = 1, b = error("never") }, ["a"]), records.get-path({ a = { b = null } }, ["a", "b"], 1), records.update({ a = 1 }, "a", x => x + 1)]
