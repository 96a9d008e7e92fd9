cart({ app, catalog, pricing, session }) = app {
  name = "cart"
  port = 8008
  code = ./handler.py
  needs = [catalog, pricing, session]
}
