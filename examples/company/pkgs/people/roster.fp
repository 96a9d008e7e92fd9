roster({ component, badge, profile, base }) = component {
  name = "people-roster"
  version = "2.4.9"
  libs = [badge, profile, base.unit]
}
