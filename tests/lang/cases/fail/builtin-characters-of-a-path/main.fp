a = text("a", "x")
result = characters("${a}")
