mailer({ component, data, net, media }) = component {
  name = "apps-mailer"
  version = "5.1.4"
  libs = [data.tree, net.balance, net.webhook, media.icon]
}
