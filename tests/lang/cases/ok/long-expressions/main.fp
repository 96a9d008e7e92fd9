a = 1
result = {
  sum = a
    + 2
    + 3
  chosen =
    if a == 1
    then "one"
    else "other"
  selected = { x = { y = 5 } }
    .x
    .y
  called = concat(
    [1],
    [2],
  )
}
