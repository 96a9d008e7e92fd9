profile({ component, role, base }) = component {
  name = "people-profile"
  version = "1.4.0"
  libs = [role, base.queue]
}
