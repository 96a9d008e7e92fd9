valve({ component, sensor, base, media }) = component {
  name = "plant-valve"
  version = "7.3.2"
  libs = [sensor, base.bytes, media.svg]
}
