result = source(./., { keeps = ["*.c"] })
