merge({ component, diff, xml, base }) = component {
  name = "data-merge"
  version = "3.5.5"
  libs = [diff, xml, base.error]
}
