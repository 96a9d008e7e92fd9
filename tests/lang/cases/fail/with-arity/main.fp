result = { a = 1 }.with((a, b) => { c = 1 })
