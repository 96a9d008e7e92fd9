kiosk({ component, ops, plant }) = component {
  name = "apps-kiosk"
  version = "7.7.2"
  libs = [ops.alert, ops.config, plant.crane]
}
