tax({ app, address }) = app {
  name = "tax"
  port = 8005
  code = ./handler.py
  needs = [address]
}
