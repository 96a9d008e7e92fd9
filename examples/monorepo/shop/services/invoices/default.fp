invoices({ app, documents, tax }) = app {
  name = "invoices"
  port = 8022
  code = ./handler.py
  needs = [documents, tax]
}
