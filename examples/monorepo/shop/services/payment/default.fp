payment({ app, currency, vault }) = app {
  name = "payment"
  port = 8013
  code = ./handler.py
  needs = [currency, vault]
}
