f(x: string) = x
result = [f("a"), f("${1}")]
