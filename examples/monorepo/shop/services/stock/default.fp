stock({ app, warehouse }) = app {
  name = "stock"
  port = 8019
  code = ./handler.py
  needs = [warehouse]
}
