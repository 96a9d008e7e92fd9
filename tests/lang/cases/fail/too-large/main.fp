power(n) = if n == 0 then 2 else power(n - 1) * power(n - 1)
result = power(8)
