reports({ component, shop }) = component {
  name = "apps-reports"
  version = "7.8.6"
  libs = [shop.coupon]
}
