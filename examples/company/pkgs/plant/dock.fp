dock({ component, robot, sensor, base, shop }) = component {
  name = "plant-dock"
  version = "4.3.6"
  libs = [robot, sensor, base.hash, base.log, shop.refund]
}
