chart({ component, colour, svg, base, net }) = component {
  name = "media-chart"
  version = "1.8.0"
  libs = [colour, svg, base.path, net.trace]
}
