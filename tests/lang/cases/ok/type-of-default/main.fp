# A default has the parameter's type too, and is computed when it is used.
f(x: string | null = null, y: int = length([1])) = x
result = [f(), f("a")]
