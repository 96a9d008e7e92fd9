result = let
    a = b + 1
    b = 2, f(x) = x * a
  in f(10) + (let a = 100 in a)
