result = type()
