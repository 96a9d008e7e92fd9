result = characters(["a"])
