caption({ component, pdf, data }) = component {
  name = "media-caption"
  version = "3.7.3"
  libs = [pdf, data.json, data.yaml]
}
