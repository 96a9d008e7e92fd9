push({ component, cors, http, base, data }) = component {
  name = "net-push"
  version = "1.3.6"
  libs = [cors, http, base.math, data.csv, data.json]
}
