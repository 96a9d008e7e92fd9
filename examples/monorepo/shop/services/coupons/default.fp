coupons({ app, pricing, users }) = app {
  name = "coupons"
  port = 8032
  code = ./handler.py
  needs = [pricing, users]
}
