cache({ component, tls, unit }) = component {
  name = "base-cache"
  version = "5.2.5"
  libs = [tls, unit]
}
