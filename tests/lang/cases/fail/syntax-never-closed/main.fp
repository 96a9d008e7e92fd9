result = {
  a = 1
