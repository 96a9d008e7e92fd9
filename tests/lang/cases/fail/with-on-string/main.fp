result = "a".with { b = 1 }
