result = [to-int("-12"), to-int("0755", 8), to-int("ff", 16), to-int(2.9), to-int(7)]
