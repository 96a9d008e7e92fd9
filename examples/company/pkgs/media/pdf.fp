pdf({ component, colour, video, base }) = component {
  name = "media-pdf"
  version = "6.9.9"
  libs = [colour, video, base.tls]
}
