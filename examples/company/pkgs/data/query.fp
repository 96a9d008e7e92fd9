query({ component, json, base }) = component {
  name = "data-query"
  version = "5.7.5"
  libs = [json, base.bytes, base.math]
}
