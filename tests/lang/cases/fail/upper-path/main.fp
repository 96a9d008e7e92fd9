a = text("a", "x")
result = upper("${a}")
