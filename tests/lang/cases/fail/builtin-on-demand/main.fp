squares = on-demand("squares", name => to-int(name) * to-int(name))
result = squares.two
