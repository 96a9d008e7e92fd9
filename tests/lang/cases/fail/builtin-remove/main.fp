result = remove({ a = 1 }, ["a", 1])
