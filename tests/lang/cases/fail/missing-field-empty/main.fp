result = {}.x
