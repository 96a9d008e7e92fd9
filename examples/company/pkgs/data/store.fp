store({ component, csv, base }) = component {
  name = "data-store"
  version = "8.3.8"
  libs = [csv, base.hash, base.text]
}
