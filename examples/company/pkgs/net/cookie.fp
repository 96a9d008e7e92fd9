cookie({ component, ftp, socket, data }) = component {
  name = "net-cookie"
  version = "9.6.1"
  libs = [ftp, socket, data.index, data.query]
}
