survey({ component, base, net }) = component {
  name = "people-survey"
  version = "3.9.1"
  libs = [base.codec, base.tls, net.ftp]
}
