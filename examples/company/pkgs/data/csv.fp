csv({ component, base }) = component {
  name = "data-csv"
  version = "5.2.8"
  libs = [base.hash]
}
