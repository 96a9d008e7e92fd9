double(x) = x * 2
result = [
  [3, 1, 2] |> sort |> map(double) |> fold(0, (a, b) => a + b),
  "a,b,c" |> split(",") |> reverse |> join("-"),
  5 |> (x => x + 1) |> double,
  5 |> x => x + 1,
  range(10)
    |> filter(x => x > 6)
    |> length,
]
