f(strip: bool) = strip
result = f(strip = "yes")
