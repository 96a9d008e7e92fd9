json({ component, base }) = component {
  name = "data-json"
  version = "1.1.9"
  libs = [base.text]
}
