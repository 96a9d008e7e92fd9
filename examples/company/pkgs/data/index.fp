index({ component, toml, xml, base }) = component {
  name = "data-index"
  version = "9.6.6"
  libs = [toml, xml, base.regex]
}
