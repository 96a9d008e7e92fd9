address({ app, geo }) = app {
  name = "address"
  port = 8006
  code = ./handler.py
  needs = [geo]
}
