result = range("3")
