newsletter({ component, net, ops }) = component {
  name = "apps-newsletter"
  version = "1.9.8"
  libs = [net.balance, net.stream, ops.restore, ops.schedule]
}
