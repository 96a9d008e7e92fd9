result = { a = 1 }.extend(() => { b = 1 })
