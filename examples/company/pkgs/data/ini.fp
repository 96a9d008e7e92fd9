ini({ component, xml, yaml, base }) = component {
  name = "data-ini"
  version = "7.7.1"
  libs = [xml, yaml, base.cache, base.unit]
}
