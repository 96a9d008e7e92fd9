random({ component, hash }) = component {
  name = "base-random"
  version = "2.8.7"
  libs = [hash]
}
