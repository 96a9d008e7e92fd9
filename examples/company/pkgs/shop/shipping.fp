shipping({ component, base }) = component {
  name = "shop-shipping"
  version = "8.6.8"
  libs = [base.path]
}
