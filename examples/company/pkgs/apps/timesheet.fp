timesheet({ component, base, data }) = component {
  name = "apps-timesheet"
  version = "6.6.5"
  libs = [base.hash, base.text, data.query]
}
