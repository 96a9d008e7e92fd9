app({ name, version }) = {
  version = "2"
  id = { text = "${name}-${version}" }
}
result = app { name = "a", version = "1" }
