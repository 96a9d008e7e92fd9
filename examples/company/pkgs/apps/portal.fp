portal({ component, net, shop }) = component {
  name = "apps-portal"
  version = "6.9.5"
  libs = [net.http, shop.review]
}
