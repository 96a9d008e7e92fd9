users({ app, audit }) = app {
  name = "users"
  port = 8010
  code = ./handler.py
  needs = [audit]
}
