thread({ component, text }) = component {
  name = "base-thread"
  version = "6.6.7"
  libs = [text]
}
