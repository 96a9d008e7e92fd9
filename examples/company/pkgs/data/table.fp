table({ component, base }) = component {
  name = "data-table"
  version = "6.0.2"
  libs = [base.thread]
}
