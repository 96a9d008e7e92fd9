palette({ component, barcode, thumbnail, data }) = component {
  name = "media-palette"
  version = "9.7.0"
  libs = [barcode, thumbnail, data.csv, data.json]
}
