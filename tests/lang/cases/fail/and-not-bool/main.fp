result = true && 1
