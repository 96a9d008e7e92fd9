templates({ app, storage }) = app {
  name = "templates"
  port = 8035
  code = ./handler.py
  needs = [storage]
}
