rating({ component, catalog, review, net }) = component {
  name = "shop-rating"
  version = "1.8.9"
  libs = [catalog, review, net.rpc]
}
