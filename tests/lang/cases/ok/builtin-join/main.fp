result = [join(["a", "b"], ", "), join([], ","), join(["x"], ",")]
