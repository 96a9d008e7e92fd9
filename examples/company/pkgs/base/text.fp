text({ component }) = component {
  name = "base-text"
  version = "3.4.1"
}
