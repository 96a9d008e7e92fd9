f({ a, b = 2, ...rest }) = [a, b, names(rest)]
g({ a }) = a
result = [f { a = 1 }, f { a = 1, c = 3, d = 4 }, g { ${"a"} = 5 }, g { ${k} = 6 for k in ["a"] }, f({ a = 1 })]
