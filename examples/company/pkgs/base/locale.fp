locale({ component, log }) = component {
  name = "base-locale"
  version = "3.6.1"
  libs = [log]
}
