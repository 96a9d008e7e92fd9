checked(x) = assert x > 0, "x is positive, not ${x}" in x
result = checked(-1)
