f(x: bool) = !x
result = [f(true), f(1 == 2)]
