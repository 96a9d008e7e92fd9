icon({ component, data }) = component {
  name = "media-icon"
  version = "2.3.6"
  libs = [data.toml]
}
