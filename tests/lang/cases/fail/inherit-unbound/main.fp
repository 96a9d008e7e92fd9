result = { nmae }
name = "x"
