balance({ component, proxy, router, base, data }) = component {
  name = "net-balance"
  version = "9.9.7"
  libs = [proxy, router, base.hash, data.archive]
}
