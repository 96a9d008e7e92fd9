# From a checkout: `configure` is made first, from configure.ac, as its authors do before a release.
roman = autotools {
  name = "roman"
  version = "1.1"
  source = ./src
  bootstrap = true
  outputs = ["out", "dev", "doc"]
}

image = container {
  packages = [roman]
  closure = "linked"
  entrypoint = ["${roman}/bin/roman"]
}
