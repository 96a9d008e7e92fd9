diff({ component, index, base }) = component {
  name = "data-diff"
  version = "9.9.4"
  libs = [index, base.thread, base.unit]
}
