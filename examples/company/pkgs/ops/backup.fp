backup({ component, config, deploy, net }) = component {
  name = "ops-backup"
  version = "5.4.5"
  libs = [config, deploy, net.webhook]
}
