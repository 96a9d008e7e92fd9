f(x) = x
result = {
  a = f(1
  b = 2
}
