zero = 0
result = 10 / zero
