result = floor("2.5")
