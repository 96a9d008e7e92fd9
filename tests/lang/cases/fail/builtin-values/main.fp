result = values("x")
