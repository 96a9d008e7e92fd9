r = { a = 1 }
result = r.${1}
