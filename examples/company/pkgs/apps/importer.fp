importer({ component, data }) = component {
  name = "apps-importer"
  version = "5.0.8"
  libs = [data.archive, data.table]
}
