port = 80
assert port > 0, "ports are positive"
checked(x) = assert x > 0, "not ${x}" in x * 2
result = [checked(4), { assert length(items) == 2, "two items", items = [1, 2] }, assert true, error("not needed") in 1]
