warehouse({ component, base }) = component {
  name = "apps-warehouse"
  version = "8.8.3"
  libs = [base.tls]
}
