result = min([])
