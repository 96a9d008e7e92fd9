review({ component, refund, tax, net }) = component {
  name = "shop-review"
  version = "4.5.9"
  libs = [refund, tax, net.ftp, net.health]
}
