refunds({ app, orders, payment }) = app {
  name = "refunds"
  port = 8025
  code = ./handler.py
  needs = [payment, orders]
}
