camera({ component, ops }) = component {
  name = "plant-camera"
  version = "7.4.1"
  libs = [ops.schedule]
}
