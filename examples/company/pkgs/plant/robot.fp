robot({ component, ops }) = component {
  name = "plant-robot"
  version = "4.8.6"
  libs = [ops.ledger, ops.schedule]
}
