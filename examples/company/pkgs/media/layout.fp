layout({ component, barcode, image, base, data }) = component {
  name = "media-layout"
  version = "1.4.8"
  libs = [barcode, image, base.bytes, base.queue, data.merge]
}
