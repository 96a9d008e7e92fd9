print({ component, image, palette, base, data }) = component {
  name = "media-print"
  version = "5.2.1"
  libs = [image, palette, base.log, base.thread, data.graph, data.ini]
}
