time({ component, text }) = component {
  name = "base-time"
  version = "1.6.6"
  libs = [text]
}
