quota({ component, deploy, net, media }) = component {
  name = "ops-quota"
  version = "5.5.7"
  libs = [deploy, net.rpc, net.trace, media.pdf, media.video]
}
