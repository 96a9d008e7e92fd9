count = 3
result = { total = cuont + 1 }
