http({ component, socket, base }) = component {
  name = "net-http"
  version = "2.3.7"
  libs = [socket, base.hash, base.tls]
}
