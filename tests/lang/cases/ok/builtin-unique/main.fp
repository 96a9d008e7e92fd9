result = [unique([1, 1.0, 2, true, 1]), unique(["b", "a", "b"]), unique([{ a = 1 }, { a = 1 }, []])]
