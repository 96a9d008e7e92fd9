forecast({ component, data, net }) = component {
  name = "apps-forecast"
  version = "1.5.7"
  libs = [data.store, net.webhook]
}
