result = abs("-1")
