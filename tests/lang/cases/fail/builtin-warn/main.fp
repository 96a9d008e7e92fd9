result = warn(5, 1)
