result = min(1, "2")
