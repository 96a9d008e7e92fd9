fraud({ app, geo, users }) = app {
  name = "fraud"
  port = 8015
  code = ./handler.py
  needs = [users, geo]
}
