result = source(./., { keep = ["../other"] })
