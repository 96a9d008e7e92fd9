result = 7 % 2
