result = {
  sum = 1
    + 2
    + 3
  piped = [1, 2]
    |> map(x => x + 1)
    |> length
  chosen =
    if true
    then "yes"
    else "no"
  field = { a = { b = 1 } }
    .a
    .b
  function(a) =
    a
}.with { function = null }
