result = [
  let a = 1, b = 2 in a + b,
  let
    f(x) = x * 10
    y = f(2)
  in y,
  let a = 1, in a,
  let a = let b = 1 in b + 1 in a + 1,
]
