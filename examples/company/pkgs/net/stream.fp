stream({ component, data }) = component {
  name = "net-stream"
  version = "8.3.2"
  libs = [data.csv, data.store]
}
