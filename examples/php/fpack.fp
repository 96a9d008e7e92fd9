plural = php {
  name = "plural"
  version = "1.0"
  source = ./src
  lock = ./src/composer.lock
  meta = { licence = "Apache-2.0" }
}

image = container {
  packages = [plural]
  closure = "linked"
  entrypoint = ["${plural}/bin/plural"]
}
