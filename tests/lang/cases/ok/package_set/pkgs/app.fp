app({ tls, colour = "grey" }) = import("../package.fp").package {
  name    = "app-${colour}"
  version = "1"
  libs    = [tls]
}
