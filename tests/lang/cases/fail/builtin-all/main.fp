result = all(5, x => true)
