documents({ app, storage }) = app {
  name = "documents"
  port = 8023
  code = ./handler.py
  needs = [storage]
}
