coupon({ component, order, tax, media }) = component {
  name = "shop-coupon"
  version = "2.8.5"
  libs = [order, tax, media.svg]
}
