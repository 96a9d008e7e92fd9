tls({ component, hash }) = component {
  name = "base-tls"
  version = "3.2.0"
  libs = [hash]
}
