f(a: string, b: int | null = null, c: [string | int] = [], d: [[bool]] = []) = [a, b, c, d]
g({ n: number, any-thing: any, ...rest }) = n
result = [f("x"), f("x", 5), f("x", c = ["y", 1]), f("x", d = [[true], []]), g { n = 1.5, any-thing = null }]
