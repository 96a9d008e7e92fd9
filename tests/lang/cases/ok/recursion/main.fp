fib(n) = if n < 2 then n else fib(n - 1) + fib(n - 2)
even(n) = if n == 0 then true else odd(n - 1)
odd(n) = if n == 0 then false else even(n - 1)
count(n, total) = if n == 0 then total else count(n - 1, total + n)
deep(n) = if n == 0 then 0 else 1 + deep(n - 1)
result = [fib(15), even(1001), count(10000, 0), deep(10000)]
