result = [1 (2), "a" { b = 1 }]
