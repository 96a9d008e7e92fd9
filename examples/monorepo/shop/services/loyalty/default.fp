loyalty({ app, coupons, orders }) = app {
  name = "loyalty"
  port = 8033
  code = ./handler.py
  needs = [orders, coupons]
}
