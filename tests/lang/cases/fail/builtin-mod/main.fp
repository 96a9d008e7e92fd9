result = mod(7, 0)
