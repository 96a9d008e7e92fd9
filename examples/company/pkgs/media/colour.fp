colour({ component, data, net }) = component {
  name = "media-colour"
  version = "3.9.8"
  libs = [data.archive, data.xml, net.dns, net.proxy]
}
