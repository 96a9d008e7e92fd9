yaml({ component, base }) = component {
  name = "data-yaml"
  version = "3.6.4"
  libs = [base.unit]
}
