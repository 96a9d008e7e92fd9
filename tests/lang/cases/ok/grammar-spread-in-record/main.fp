base = { a = 1, b = 2 }
result = [{ ...base, b = 3 }, { b = 0, ...base }, { ...base, ...{ c = 4 }, a = 9 }]
