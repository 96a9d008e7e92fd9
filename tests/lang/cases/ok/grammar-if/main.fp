grade(n) = if n >= 90 then "a" else if n >= 80 then "b" else "c"
result = [grade(95), grade(85), grade(5), 1 + if true then 2 else 3, [if false then 1 else 2]]
