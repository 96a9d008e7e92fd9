size(n) =
  if n < 10 then "small"
  else if n < 100 then "medium"
  else "large"
result = [size(x) for x in [1, 50, 500]]
