f(a: int | null, b: number = 1, c: any = null, d: record = {}, e: list = [], g: function = x => x) = [a, b, c]
result = [f(1), f(null, 2.5), f(1, 2, "x"), f(1, e = [1])]
