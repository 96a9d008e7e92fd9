queue({ component, hash, unit }) = component {
  name = "base-queue"
  version = "4.0.0"
  libs = [hash, unit]
}
