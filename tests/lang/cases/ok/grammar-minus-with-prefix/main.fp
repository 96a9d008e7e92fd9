a = 5
result = [a - let b = 2 in b, a - if true then 1 else 2, 0 - (-a)]
