session({ app, users }) = app {
  name = "session"
  port = 8009
  code = ./handler.py
  needs = [users]
}
