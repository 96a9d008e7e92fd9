xs = []
result = head(xs)
