deploy({ component, base, net }) = component {
  name = "ops-deploy"
  version = "1.4.6"
  libs = [base.locale, net.health]
}
