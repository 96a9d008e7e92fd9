archive({ component, index, base }) = component {
  name = "data-archive"
  version = "1.8.0"
  libs = [index, base.error]
}
