badge({ component, audit, base, media }) = component {
  name = "people-badge"
  version = "4.4.7"
  libs = [audit, base.random, media.audio, media.print]
}
