result =
  let port = 80
  in { port = 8080, url = "http://localhost:${port}/" }
