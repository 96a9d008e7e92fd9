belt({ component, oven, sensor, media }) = component {
  name = "plant-belt"
  version = "5.0.0"
  libs = [oven, sensor, media.font, media.svg]
}
