catalog({ app, search }) = app {
  name = "catalog"
  port = 8001
  code = ./handler.py
  needs = [search]
}
