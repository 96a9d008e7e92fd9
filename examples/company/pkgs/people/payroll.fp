payroll({ component, leave, login, data, net, shop }) = component {
  name = "people-payroll"
  version = "6.8.0"
  libs = [leave, login, data.diff, data.query, net.rpc, shop.invoice, shop.review]
}
