session({ component, proxy, data }) = component {
  name = "net-session"
  version = "1.7.1"
  libs = [proxy, data.report]
}
