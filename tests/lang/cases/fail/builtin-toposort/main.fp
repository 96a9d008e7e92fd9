result = toposort({ a = ["b"], b = ["c"], c = ["a"] })
