nearest = ruby {
  name = "nearest"
  version = "1.0"
  source = ./src
  native = true # the gem has an extension in C
}

image = container {
  packages = [nearest]
  closure = "linked"
  entrypoint = ["${nearest}/bin/nearest"]
}
