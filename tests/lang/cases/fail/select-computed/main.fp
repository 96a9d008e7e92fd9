r = { alpha = 1 }
key = "alhpa"
result = r.${key}
