returns({ app, carriers, orders }) = app {
  name = "returns"
  port = 8026
  code = ./handler.py
  needs = [orders, carriers]
}
