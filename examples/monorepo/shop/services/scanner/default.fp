scanner({ app }) = app {
  name = "scanner"
  port = 8021
  code = ./handler.py
}
