cors({ component, proxy, socket, data }) = component {
  name = "net-cors"
  version = "4.1.7"
  libs = [proxy, socket, data.ini]
}
