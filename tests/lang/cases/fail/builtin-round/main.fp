result = round(null)
