consent({ component, contact, profile, base }) = component {
  name = "people-consent"
  version = "7.6.0"
  libs = [contact, profile, base.time]
}
