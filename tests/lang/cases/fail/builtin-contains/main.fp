result = contains(5, 5)
