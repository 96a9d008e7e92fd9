_a = 1
B_2 = 2
c-3-d = 3
orange = 4
ifx = 5
result = [_a, B_2, c-3-d, orange, ifx]
