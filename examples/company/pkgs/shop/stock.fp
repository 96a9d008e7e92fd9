stock({ component, cart, price, media }) = component {
  name = "shop-stock"
  version = "4.2.4"
  libs = [cart, price, media.caption, media.image]
}
