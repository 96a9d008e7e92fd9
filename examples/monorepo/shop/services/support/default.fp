support({ app, notify, orders }) = app {
  name = "support"
  port = 8037
  code = ./handler.py
  needs = [orders, notify]
}
