pricing({ app, catalog, currency, tax }) = app {
  name = "pricing"
  port = 8003
  code = ./handler.py
  needs = [catalog, currency, tax]
}
