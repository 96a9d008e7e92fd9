greeting(name: string, polite = true) =
  if polite then "Good day, ${name}" else "Hi ${name}"
twice = f => x => f(f(x))
sum = (a, b = a * 10, c = a + b) => a + b + c
result = [
  greeting("Ann"),
  greeting("Bob", false),
  greeting(polite = false, name = "Eve"),
  twice(x => x + 1)(5),
  sum(1),
  sum(1, 2),
  sum(1, c = 0),
  (x => x * x)(4),
]
