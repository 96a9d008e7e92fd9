name = "other"
twice(x) = x * 2
