x = 1
result = {
  x = 2
  y = x + 1
  inner = { x = 10, z = x + y }
  from-outside = { x }
  deep = { a = { b = { c = y } } }
}
