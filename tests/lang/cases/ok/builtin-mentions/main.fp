a = text("a", "x")
result = [mentions({ cmd = ["${a}/run"] }) == ["${a}"], mentions([1, null])]
