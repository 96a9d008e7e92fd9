result = to-record([{ name = "a b", value = 1 }, { name = "c", value = [2] }])
