f(x) = x
result = "${f}"
