payment({ component, net }) = component {
  name = "shop-payment"
  version = "8.9.8"
  libs = [net.stream]
}
