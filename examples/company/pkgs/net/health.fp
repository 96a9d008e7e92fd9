health({ component, rpc, base, data }) = component {
  name = "net-health"
  version = "5.0.0"
  libs = [rpc, base.queue, data.graph, data.tree]
}
