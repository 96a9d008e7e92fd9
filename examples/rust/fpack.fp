tally = rust {
  name = "tally"
  version = "0.2.0"
  source = ./src
}

image = container {
  packages = [tally]
  closure = "linked"
  entrypoint = ["${tally}/bin/tally"]
}
