scan({ component, audio, image, net }) = component {
  name = "media-scan"
  version = "4.1.5"
  libs = [audio, image, net.socket]
}
