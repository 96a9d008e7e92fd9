reports({ app, metrics, orders, stock }) = app {
  name = "reports"
  port = 8038
  code = ./handler.py
  needs = [orders, stock, metrics]
}
