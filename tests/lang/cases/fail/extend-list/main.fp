result = { a = 1 }.extend((old, new) => [old.a])
