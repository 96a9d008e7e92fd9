barcode({ component, chart, video, data }) = component {
  name = "media-barcode"
  version = "7.3.4"
  libs = [chart, video, data.schema, data.xml]
}
