tree({ component, index, yaml, base }) = component {
  name = "data-tree"
  version = "1.8.3"
  libs = [index, yaml, base.path]
}
