result = true and false
