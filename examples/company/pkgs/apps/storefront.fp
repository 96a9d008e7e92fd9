storefront({ component, base, net, shop }) = component {
  name = "apps-storefront"
  version = "8.6.8"
  libs = [base.log, net.http, shop.cart]
}
