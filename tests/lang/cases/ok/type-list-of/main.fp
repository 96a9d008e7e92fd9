f(x: [string]) = x
g(x: [[int | null] | string]) = x
result = [f([]), f(["a"]), g(["a", [1, null]])]
