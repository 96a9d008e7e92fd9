warehouse({ app, scanner }) = app {
  name = "warehouse"
  port = 8020
  code = ./handler.py
  needs = [scanner]
}
