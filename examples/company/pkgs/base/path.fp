path({ component }) = component {
  name = "base-path"
  version = "5.4.4"
}
