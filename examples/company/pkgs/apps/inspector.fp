inspector({ component, base, net }) = component {
  name = "apps-inspector"
  version = "3.7.1"
  libs = [base.text, net.proxy]
}
