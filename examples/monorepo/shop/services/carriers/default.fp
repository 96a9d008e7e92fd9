carriers({ app, geo }) = app {
  name = "carriers"
  port = 8018
  code = ./handler.py
  needs = [geo]
}
