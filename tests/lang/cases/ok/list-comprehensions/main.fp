result = {
  plain = [x * x for x in range(5)]
  filtered = [x for x in range(10) if x > 3 if x < 7]
  nested = [[x, y] for x in [1, 2] for y in ["a", "b"]]
  inner = [y for x in [[1, 2], [3]] if length(x) > 1 for y in x]
  pairs = ["${k}=${v}" for k, v in { a = 1, b = 2 }]
  functions = [f(10) for f in [(y => x + y) for x in [1, 2]]]
}
