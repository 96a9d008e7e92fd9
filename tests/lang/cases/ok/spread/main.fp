a = { x = 1, y = 2 }
add(p, q, r = 0) = p + q + r
result = {
  record = { ...a, y = 3, z = 4 }
  earlier = { y = 3, ...a }
  list = [0, ...[1, 2], ...[], 3]
  call = add(...[1, 2])
  named = add(1, ...{ q = 5, r = 6 })
  several = { ...a, ...{ y = 20 }, ...{ w = 0 } }
}
