f(n: number) = n
result = f(true)
