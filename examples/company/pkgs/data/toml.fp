toml({ component, xml, base }) = component {
  name = "data-toml"
  version = "5.3.5"
  libs = [xml, base.hash, base.regex]
}
