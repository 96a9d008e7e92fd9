mail({ component, base }) = component {
  name = "net-mail"
  version = "3.8.9"
  libs = [base.event, base.math]
}
