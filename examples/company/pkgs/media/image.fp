image({ component, base }) = component {
  name = "media-image"
  version = "8.9.4"
  libs = [base.locale, base.path]
}
