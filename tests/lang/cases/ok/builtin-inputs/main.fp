a = text("a", "x")
b = text("b", "uses ${a}")
result = [inputs(b) == ["${a}"], inputs(a)]
