queue({ app }) = app {
  name = "queue"
  port = 8029
  code = ./handler.py
}
