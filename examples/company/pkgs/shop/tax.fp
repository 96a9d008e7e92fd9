tax({ component, cart, price, net, media }) = component {
  name = "shop-tax"
  version = "1.3.0"
  libs = [cart, price, net.health, media.caption]
}
