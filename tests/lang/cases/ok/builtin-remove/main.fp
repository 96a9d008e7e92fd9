r = { a = 1, b = 2, c = 3 }
result = [remove(r, "a"), remove(r, ["a", "c", "x"]), remove(r, [])]
