result = [
  [x * 2 for x in [1, 2, 3]],
  [x for x in range(10) if x > 5 if x < 9],
  [[x, y] for x in [1, 2] for y in ["a", "b"] if x == 1],
  ["${k}=${v}" for k, v in { a = 1, b = 2 }],
]
