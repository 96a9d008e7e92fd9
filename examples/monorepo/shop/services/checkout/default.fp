checkout({ app, cart, fraud, orders, payment }) = app {
  name = "checkout"
  port = 8012
  code = ./handler.py
  needs = [cart, payment, orders, fraud]
}
