geo({ app }) = app {
  name = "geo"
  port = 8007
  code = ./handler.py
}
