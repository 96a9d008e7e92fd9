schema({ component, yaml, base }) = component {
  name = "data-schema"
  version = "4.9.6"
  libs = [yaml, base.bytes]
}
