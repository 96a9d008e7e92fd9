event({ component, random }) = component {
  name = "base-event"
  version = "3.1.1"
  libs = [random]
}
