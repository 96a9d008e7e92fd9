result = is-executable("x")
