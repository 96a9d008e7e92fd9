report({ component, base }) = component {
  name = "data-report"
  version = "6.1.2"
  libs = [base.math, base.path]
}
