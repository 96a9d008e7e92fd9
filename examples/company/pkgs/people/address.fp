address({ component, team, base, net, media }) = component {
  name = "people-address"
  version = "5.1.3"
  libs = [team, base.thread, net.stream, media.pdf]
}
