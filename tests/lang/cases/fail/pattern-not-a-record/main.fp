package({ name }) = name
result = package("x")
