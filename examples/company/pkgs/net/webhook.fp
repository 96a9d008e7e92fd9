webhook({ component, cookie, cors, data }) = component {
  name = "net-webhook"
  version = "1.0.1"
  libs = [cookie, cors, data.store]
}
