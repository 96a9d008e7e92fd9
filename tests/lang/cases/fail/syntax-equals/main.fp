x = 1
result = if x = 1 then 2 else 3
