dispatcher({ component, base, net }) = component {
  name = "apps-dispatcher"
  version = "4.9.7"
  libs = [base.log, net.ftp]
}
