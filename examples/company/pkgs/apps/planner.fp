planner({ component, base, ops }) = component {
  name = "apps-planner"
  version = "7.7.6"
  libs = [base.math, base.tls, ops.inventory]
}
