gift({ component, catalog, rating, net, media }) = component {
  name = "shop-gift"
  version = "8.5.9"
  libs = [catalog, rating, net.trace, media.icon]
}
