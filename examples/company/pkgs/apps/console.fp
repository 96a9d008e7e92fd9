console({ component, base, ops }) = component {
  name = "apps-console"
  version = "8.7.2"
  libs = [base.path, ops.quota]
}
