a = 5
b = 2
result = [a-b]
