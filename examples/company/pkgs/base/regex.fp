regex({ component, cache, math }) = component {
  name = "base-regex"
  version = "3.4.8"
  libs = [cache, math]
}
