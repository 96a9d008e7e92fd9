result = true ? 1 : 2
