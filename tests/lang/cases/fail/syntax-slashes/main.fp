// a comment
result = 1
