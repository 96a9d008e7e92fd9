admin({ app, reports, support, users }) = app {
  name = "admin"
  port = 8040
  code = ./handler.py
  needs = [users, reports, support]
}
