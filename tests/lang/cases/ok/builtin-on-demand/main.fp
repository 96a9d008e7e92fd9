squares = on-demand("squares", name => to-int(name) * to-int(name))
result = [squares."12", squares.${"3"}, has(squares, "5"), get(squares, "6")]
