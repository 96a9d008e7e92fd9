router({ component, base, data }) = component {
  name = "net-router"
  version = "2.7.9"
  libs = [base.locale, base.time, data.ini]
}
