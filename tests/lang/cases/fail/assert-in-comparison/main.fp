made({ size = 0 }) = assert size > 0, "a size is positive" in size * 2
result = made {} == 0
