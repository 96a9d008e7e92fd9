result = to-string([1])
