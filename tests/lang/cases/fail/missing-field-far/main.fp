r = { alpha = 1, beta = 2 }
result = r.zzz
