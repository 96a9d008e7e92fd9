result = tail([])
