result = sort([1, "2", 3])
