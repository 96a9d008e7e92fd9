invoice({ component, cart, price, media }) = component {
  name = "shop-invoice"
  version = "9.6.3"
  libs = [cart, price, media.layout, media.scan]
}
