hire({ component, consent, net }) = component {
  name = "people-hire"
  version = "5.9.0"
  libs = [consent, net.cors, net.rpc]
}
