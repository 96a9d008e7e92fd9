reviews({ app, catalog, moderation, users }) = app {
  name = "reviews"
  port = 8027
  code = ./handler.py
  needs = [users, catalog, moderation]
}
