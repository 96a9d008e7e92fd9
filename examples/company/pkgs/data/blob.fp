blob({ component, base }) = component {
  name = "data-blob"
  version = "3.0.3"
  libs = [base.cache, base.event]
}
