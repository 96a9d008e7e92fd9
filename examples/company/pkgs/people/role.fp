role({ component, login, user, net }) = component {
  name = "people-role"
  version = "3.4.1"
  libs = [login, user, net.dns, net.webhook]
}
