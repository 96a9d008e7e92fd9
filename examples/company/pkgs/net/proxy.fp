proxy({ component, data }) = component {
  name = "net-proxy"
  version = "5.6.9"
  libs = [data.csv]
}
