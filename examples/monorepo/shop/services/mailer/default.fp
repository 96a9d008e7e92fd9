mailer({ app, queue, templates }) = app {
  name = "mailer"
  port = 8034
  code = ./handler.py
  needs = [templates, queue]
}
