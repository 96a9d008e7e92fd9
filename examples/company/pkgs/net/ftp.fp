ftp({ component, dns, base }) = component {
  name = "net-ftp"
  version = "9.2.8"
  libs = [dns, base.tls, base.unit]
}
