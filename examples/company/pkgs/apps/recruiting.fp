recruiting({ component, base }) = component {
  name = "apps-recruiting"
  version = "8.8.7"
  libs = [base.error]
}
