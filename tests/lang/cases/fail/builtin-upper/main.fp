result = upper(["a"])
