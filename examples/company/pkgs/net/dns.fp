dns({ component, http, data }) = component {
  name = "net-dns"
  version = "4.3.4"
  libs = [http, data.archive, data.csv]
}
