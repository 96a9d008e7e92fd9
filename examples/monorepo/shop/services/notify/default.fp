notify({ app, mailer, users }) = app {
  name = "notify"
  port = 8036
  code = ./handler.py
  needs = [mailer, users]
}
