press({ component, sensor, valve, people }) = component {
  name = "plant-press"
  version = "1.5.9"
  libs = [sensor, valve, people.user]
}
