f(a) = a
result = f
(1)
