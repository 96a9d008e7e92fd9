alert({ component, backup, deploy, base, people }) = component {
  name = "ops-alert"
  version = "9.7.8"
  libs = [backup, deploy, base.regex, base.unit, people.contact, people.survey]
}
