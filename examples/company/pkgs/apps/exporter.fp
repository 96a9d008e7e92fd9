exporter({ component, ops }) = component {
  name = "apps-exporter"
  version = "1.6.6"
  libs = [ops.deploy]
}
