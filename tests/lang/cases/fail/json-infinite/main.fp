result = from-json("[1e999]")
