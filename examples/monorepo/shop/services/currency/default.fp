currency({ app }) = app {
  name = "currency"
  port = 8004
  code = ./handler.py
}
