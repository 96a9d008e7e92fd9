archive({ component, data, media }) = component {
  name = "apps-archive"
  version = "7.8.3"
  libs = [data.csv, media.print]
}
