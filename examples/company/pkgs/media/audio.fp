audio({ component, net }) = component {
  name = "media-audio"
  version = "6.8.0"
  libs = [net.mail, net.push]
}
