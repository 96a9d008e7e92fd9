leave({ component, data, net, shop }) = component {
  name = "people-leave"
  version = "8.4.5"
  libs = [data.yaml, net.balance, net.metrics, shop.order]
}
