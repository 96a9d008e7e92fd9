socket({ component, base }) = component {
  name = "net-socket"
  version = "3.7.7"
  libs = [base.log]
}
