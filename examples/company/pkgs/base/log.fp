log({ component }) = component {
  name = "base-log"
  version = "2.2.5"
}
