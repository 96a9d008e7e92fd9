contact({ component, base }) = component {
  name = "people-contact"
  version = "9.1.4"
  libs = [base.tls, base.unit]
}
