scheduler({ component, data, people, plant }) = component {
  name = "apps-scheduler"
  version = "3.0.5"
  libs = [data.json, data.table, people.payroll, people.role, plant.sensor]
}
