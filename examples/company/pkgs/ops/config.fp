config({ component, media, people }) = component {
  name = "ops-config"
  version = "8.5.8"
  libs = [media.audio, media.thumbnail, people.team]
}
