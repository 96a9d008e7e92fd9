backoffice({ component, data, shop }) = component {
  name = "apps-backoffice"
  version = "9.2.4"
  libs = [data.blob, data.diff, shop.coupon]
}
