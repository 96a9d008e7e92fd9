codec({ component, log, regex }) = component {
  name = "base-codec"
  version = "7.5.3"
  libs = [log, regex]
}
