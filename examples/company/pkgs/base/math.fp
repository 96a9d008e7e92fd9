math({ component }) = component {
  name = "base-math"
  version = "4.1.1"
}
