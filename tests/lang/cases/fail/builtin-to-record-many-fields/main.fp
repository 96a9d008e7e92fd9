result = to-record([{ name = "a", value = 1 }, { f1 = 1, f2 = 1, f3 = 1, f4 = 1, f5 = 1, f6 = 1, f7 = 1, f8 = 1, f9 = 1, f10 = 1 }])
