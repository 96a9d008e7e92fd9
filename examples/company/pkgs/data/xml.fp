xml({ component, json, base }) = component {
  name = "data-xml"
  version = "1.0.3"
  libs = [json, base.unit]
}
