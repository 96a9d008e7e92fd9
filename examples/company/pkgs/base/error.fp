error({ component }) = component {
  name = "base-error"
  version = "1.8.3"
}
