result = head([])
