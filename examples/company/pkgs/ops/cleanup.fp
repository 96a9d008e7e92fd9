cleanup({ component, rollout, media }) = component {
  name = "ops-cleanup"
  version = "8.4.0"
  libs = [rollout, media.barcode]
}
