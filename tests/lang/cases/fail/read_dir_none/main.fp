result = read-dir(./none)
