given = { port = 9000 }
result = {
  port = 80
  url = "http://localhost:${port}"
  ...given
}
