# A list that a fold appends to grows in place, and nobody can tell.
start = [9]
result = [
  fold([1, 2, 3], start, (a, x) => [...a, x, x * 2]),
  start,
  fold([], start, (a, x) => [...a, x]),
  fold([1, 2, 3], [], (a, x) => a + [x, { y = x }]),
  fold([1, 2, 2], [], (a, x) => if any(a, y => y == x) then a else (if x == 2 then [...(a), ...[x, x]] else [...a, x])),
  fold([1, 2, 3], [], (a, x) => let y = x + 1, z = [y for q in [1]] in assert y > 1, "never" in [...a, z, y]),
  fold([[1], [2]], [], (a, x) => [...a, fold(x, [], (b, y) => [...b, y])]),
  fold([[1], [2]], [], (a, x) => fold(x, a, (b, y) => [...b, y])),
  map(fold([1, 2], [], (a, x) => [...a, y => y + x]), f => f(10)),
  fold([1, 2], null, (a, x) => if x > 0 then a else [...a, x]),
  length(fold([1, 2], [], (a, x) => [...a, error("never")])),
  # Others refer to the list here, so each step makes a new one.
  fold([1, 2, 3], [], (a, x) => [...a, a]),
  fold([1, 2, 3], [], (a, x) => [...a, length(a)]),
  fold([1, 2], [], (a, x) => let b = a in [...a, b]),
  fold([1, 2], [], (a, x) => let a = [x] in [...a, x]),
  fold([1, 2], [], (a, x) => [x, ...a]),
  fold([1, 2], [], (a, x) => a + [a]),
]
