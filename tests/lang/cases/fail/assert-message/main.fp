result = assert false, 5 in 1
