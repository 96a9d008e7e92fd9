helpdesk({ component, base, net, shop }) = component {
  name = "apps-helpdesk"
  version = "1.8.9"
  libs = [base.regex, net.mail, net.push, shop.rating, shop.tax]
}
