moderation({ app, queue }) = app {
  name = "moderation"
  port = 8028
  code = ./handler.py
  needs = [queue]
}
