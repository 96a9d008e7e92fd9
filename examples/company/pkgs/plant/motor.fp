motor({ component, sensor, valve, base, people }) = component {
  name = "plant-motor"
  version = "4.1.4"
  libs = [sensor, valve, base.unit, people.roster]
}
