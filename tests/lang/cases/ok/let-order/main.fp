# The order in which a `let` writes its names does not matter, and what is not needed is not evaluated.
after(n) = let c = a + b, b = a * 2, a = n in c
guarded(xs) = let first = get(xs, 0) in if length(xs) == 0 then "none" else first
asserted(xs) = let first = get(xs, 0) in assert length(xs) > 0, "xs is empty" in first
chain(n) = let f(x) = x + later, later = n * 10, sum = f(1) in sum
knot(n) = let a = if n > 0 then 1 else b, b = if n > 0 then a else 2 in a + b
unused(n) = let x = error("never", "x"), y = [x, n] in get(y, 1)
result = [after(3), guarded([]), guarded(["a"]), asserted([7]), chain(2), knot(0), knot(1), unused(5)]
