result = [abs(-2), abs(2), abs(-1.5)]
