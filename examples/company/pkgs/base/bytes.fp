bytes({ component, text }) = component {
  name = "base-bytes"
  version = "4.9.3"
  libs = [text]
}
