ratings({ app, reviews }) = app {
  name = "ratings"
  port = 8030
  code = ./handler.py
  needs = [reviews]
}
