vault({ app, audit }) = app {
  name = "vault"
  port = 8014
  code = ./handler.py
  needs = [audit]
}
