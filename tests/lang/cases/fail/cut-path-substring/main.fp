a = text("a", "x")
result = substring("${a}", 0, 20)
