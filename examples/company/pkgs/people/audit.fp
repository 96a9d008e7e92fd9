audit({ component, team, user, data, shop }) = component {
  name = "people-audit"
  version = "5.7.7"
  libs = [team, user, data.json, shop.cart, shop.catalog]
}
