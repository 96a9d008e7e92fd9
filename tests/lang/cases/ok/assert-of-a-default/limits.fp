memory = 0
swap = memory * 2
assert memory > 0, "some memory"
