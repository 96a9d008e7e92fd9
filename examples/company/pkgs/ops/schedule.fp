schedule({ component, config, base, net }) = component {
  name = "ops-schedule"
  version = "5.6.7"
  libs = [config, base.event, base.random, net.cookie, net.push]
}
