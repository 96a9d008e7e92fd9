hash({ component }) = component {
  name = "base-hash"
  version = "8.6.3"
}
