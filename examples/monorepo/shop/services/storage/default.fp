storage({ app }) = app {
  name = "storage"
  port = 8024
  code = ./handler.py
}
