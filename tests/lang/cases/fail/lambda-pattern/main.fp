result = map([{ a = 1 }], { a } => a)
