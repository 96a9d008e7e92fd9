result = to-record([{ name = "a", value = 1 }, { name = "a", value = 2 }])
