result = 5 -x
x = "a"
