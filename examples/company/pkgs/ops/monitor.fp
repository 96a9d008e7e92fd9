monitor({ component, deploy, restore, base, people }) = component {
  name = "ops-monitor"
  version = "9.4.3"
  libs = [deploy, restore, base.event, base.regex, people.leave]
}
