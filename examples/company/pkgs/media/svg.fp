svg({ component, pdf, base, data }) = component {
  name = "media-svg"
  version = "3.9.9"
  libs = [pdf, base.cache, base.hash, data.query]
}
