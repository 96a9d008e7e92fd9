build-essential = 5
a = 7
b = 2
a-b = 100
result = [build-essential, a - b, a-b, a -b, a- b]
