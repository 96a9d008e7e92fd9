package({ name, version, libs = [] }) = {
  id = "${name}-${version}"
  version
  all = ["${name}-${version}", ...flatten(map(libs, l => l.all))]
}
