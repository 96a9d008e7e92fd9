a = text("a", "x")
result = split("${a}/bin", "/")
