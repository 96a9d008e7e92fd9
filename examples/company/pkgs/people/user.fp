user({ component, data, net, media }) = component {
  name = "people-user"
  version = "4.3.5"
  libs = [data.blob, data.query, net.cors, net.session, media.layout]
}
