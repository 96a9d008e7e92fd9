label({ component, data, media, ops }) = component {
  name = "plant-label"
  version = "8.4.6"
  libs = [data.ini, media.colour, ops.migrate]
}
