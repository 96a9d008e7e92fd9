metrics({ app, queue }) = app {
  name = "metrics"
  port = 8039
  code = ./handler.py
  needs = [queue]
}
