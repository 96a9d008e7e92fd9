unit({ component, log, tls }) = component {
  name = "base-unit"
  version = "2.0.4"
  libs = [log, tls]
}
