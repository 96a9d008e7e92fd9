refund({ component, invoice, order, base, data }) = component {
  name = "shop-refund"
  version = "1.0.3"
  libs = [invoice, order, base.log, base.thread, data.table, data.toml]
}
