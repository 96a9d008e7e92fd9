xs = [1]
result = if xs then 1 else 2
