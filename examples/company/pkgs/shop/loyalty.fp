loyalty({ component, net, media }) = component {
  name = "shop-loyalty"
  version = "3.6.6"
  libs = [net.health, media.audio, media.print]
}
