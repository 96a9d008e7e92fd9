inventory({ component, cleanup, quota, base, net, people }) = component {
  name = "ops-inventory"
  version = "6.1.3"
  libs = [cleanup, quota, base.locale, base.random, net.session, people.profile]
}
