crane({ component, sensor, base, shop }) = component {
  name = "plant-crane"
  version = "4.2.4"
  libs = [sensor, base.bytes, base.unit, shop.review]
}
