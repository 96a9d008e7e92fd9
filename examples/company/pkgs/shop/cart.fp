cart({ component, base, data }) = component {
  name = "shop-cart"
  version = "2.7.4"
  libs = [base.hash, data.json]
}
