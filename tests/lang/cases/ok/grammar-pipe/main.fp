result = [
  [3, 1, 2] |> sort |> reverse |> map(x => x * 2),
  "a,b" |> split(",") |> join("-"),
  5 |> (x => x + 1),
  4 |> x => x * 2,
]
