ledger({ component, migrate, monitor, data, net, people }) = component {
  name = "ops-ledger"
  version = "2.5.6"
  libs = [migrate, monitor, data.query, data.yaml, net.socket, people.audit]
}
