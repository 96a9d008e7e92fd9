result = to-float("1,5")
