font({ component, audio, image, base, data, net }) = component {
  name = "media-font"
  version = "9.1.1"
  libs = [audio, image, base.codec, data.blob, net.dns, net.health]
}
