graph({ component, table, base }) = component {
  name = "data-graph"
  version = "3.2.4"
  libs = [table, base.error, base.random]
}
