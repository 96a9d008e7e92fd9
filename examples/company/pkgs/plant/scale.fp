scale({ component, press, data }) = component {
  name = "plant-scale"
  version = "9.9.5"
  libs = [press, data.yaml]
}
