login({ component, shop }) = component {
  name = "people-login"
  version = "8.3.9"
  libs = [shop.invoice, shop.order]
}
