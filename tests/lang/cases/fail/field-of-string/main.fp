name = "abc"
result = name.length
