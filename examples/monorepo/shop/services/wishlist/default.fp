wishlist({ app, catalog, users }) = app {
  name = "wishlist"
  port = 8031
  code = ./handler.py
  needs = [users, catalog]
}
