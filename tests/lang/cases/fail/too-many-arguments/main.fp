double(x) = x * 2
result = double(1, 2)
