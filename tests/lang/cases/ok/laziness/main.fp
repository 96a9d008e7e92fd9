broken = error("not needed")
ones = { head = 1, tail = ones }
pair = [1, error("not needed")]
ignore(x) = 5
chosen = { a = 1, b = error("not needed") }
fallback = { a = 1 }.a or error("not needed")
result = [head(pair), ones.tail.tail.head, ignore(broken), ignore(1 / 0), chosen.a, length(pair), fallback]
