grow(n) = [n, ...grow(n + 1)]
result = grow(0)
