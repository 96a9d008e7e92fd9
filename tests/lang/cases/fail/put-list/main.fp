flags = ["-O2"]
result = "make ${flags}"
