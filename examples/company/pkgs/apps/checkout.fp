checkout({ component, media, ops }) = component {
  name = "apps-checkout"
  version = "4.3.0"
  libs = [media.video, ops.restore]
}
