oven({ component, press, valve, media }) = component {
  name = "plant-oven"
  version = "6.0.1"
  libs = [press, valve, media.layout]
}
