shipping({ app, address, carriers, orders }) = app {
  name = "shipping"
  port = 8017
  code = ./handler.py
  needs = [orders, address, carriers]
}
