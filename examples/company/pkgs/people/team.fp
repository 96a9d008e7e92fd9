team({ component, user, media, shop }) = component {
  name = "people-team"
  version = "1.0.9"
  libs = [user, media.audio, media.scan, shop.gift, shop.tax]
}
