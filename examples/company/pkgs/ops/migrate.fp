migrate({ component, monitor, people }) = component {
  name = "ops-migrate"
  version = "1.9.4"
  libs = [monitor, people.contact]
}
