video({ component, data, net }) = component {
  name = "media-video"
  version = "1.8.9"
  libs = [data.diff, net.session]
}
