thumbnail({ component, colour, data }) = component {
  name = "media-thumbnail"
  version = "4.3.7"
  libs = [colour, data.table, data.yaml]
}
