search({ app }) = app {
  name = "search"
  port = 8002
  code = ./handler.py
}
