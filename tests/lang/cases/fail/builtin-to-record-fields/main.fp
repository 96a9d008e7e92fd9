result = to-record([{ key = "a", value = 1 }])
