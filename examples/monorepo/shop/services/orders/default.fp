orders({ app, invoices, shipping, stock }) = app {
  name = "orders"
  port = 8016
  code = ./handler.py
  needs = [stock, shipping, invoices]
}
