assistant({ component, base }) = component {
  name = "apps-assistant"
  version = "1.3.0"
  libs = [base.path]
}
