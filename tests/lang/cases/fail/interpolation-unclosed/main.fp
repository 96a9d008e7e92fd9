result = "a ${b"
