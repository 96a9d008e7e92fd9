price({ component, cart, data }) = component {
  name = "shop-price"
  version = "8.6.6"
  libs = [cart, data.merge]
}
