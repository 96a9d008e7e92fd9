sensor({ component, shop, people }) = component {
  name = "plant-sensor"
  version = "8.9.8"
  libs = [shop.rating, people.audit]
}
