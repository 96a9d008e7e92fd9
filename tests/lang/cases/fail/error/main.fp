choose(kind) = if kind == "a" then 1 else error("there is no kind ${kind}")
result = { x = choose("b") }
