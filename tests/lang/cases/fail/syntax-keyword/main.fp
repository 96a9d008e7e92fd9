let = 5
else
result = 1
