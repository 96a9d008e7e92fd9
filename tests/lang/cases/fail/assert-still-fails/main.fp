made({ size = 0 }) = assert size > 0, "a size is positive" in { twice = size * 2 }
result = (made {}).with { size = -1 }.twice
