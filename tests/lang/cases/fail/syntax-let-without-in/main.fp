result = let a = 1
